"""The unit's machine identity in Vault, used on the unit's gateway: its own secrets, and nobody else's."""

import pytest

from donvi.verify.ask import InconclusiveError

pytestmark = pytest.mark.about("vault", "identity")


@pytest.fixture
def session(answers, gateway):
    found = answers[gateway].vault
    if found.unreachable:
        raise InconclusiveError(f"Vault doesn't answer the unit's gateway: {found.detail}")
    assert found.unwrap, found.detail
    return found


def test_the_unit_logs_in_with_a_wrapped_secret_id(session):
    assert session.unwrap == 200, f"the wrapped SecretID can't be unwrapped on the gateway: HTTP {session.unwrap}"
    assert session.login == 200, f"Vault refuses the unit's machine: HTTP {session.login} {session.detail}"


def test_the_unit_may_read_its_own_path(session):
    assert session.login == 200, f"the unit's machine could not log in: HTTP {session.login}"
    assert session.own in {200, 404}, f"the unit's own path should be open to it; got HTTP {session.own}"


def test_the_path_of_another_unit_is_refused(session):
    assert session.login == 200, f"the unit's machine could not log in: HTTP {session.login}"
    assert session.foreign == 403, f"another unit's path should be refused; got HTTP {session.foreign}"
