"""Each system's service, asked from the unit's machine that may: certificate, password, role of the group."""

import pytest

from donvi.verify.ask import InconclusiveError
from donvi.verify.ask.places import place_of, without_role

CANNOT_SAY = {502, 503, 504}


def ask(answers, system, question):
    """Return the answer to a question; a dead target can't be judged."""
    place = place_of(answers.tenancy, next(s for s in answers.tenancy.systems if s.id == system))
    assert place is not None, f"no flow lets any machine of the unit to {system}"
    found = answers[place.endpoint.id].services[f"{system}/{question}"]
    if found.stage == "unreachable":
        raise InconclusiveError(f"{system} doesn't answer: {found.detail}")
    if found.status in CANNOT_SAY:
        raise InconclusiveError(f"{system} is up but can't judge: HTTP {found.status}, what it asks may be down")
    assert found.stage != "unequipped", f"the unit can't ask {system}: {found.detail}"
    return found


def control(answers, system, role):
    """A refusal means something only where the right request is answered."""
    if ask(answers, system, f"{role}/right").stage != "answered":
        raise InconclusiveError(f"{system} doesn't even answer the right request of {role}")


@pytest.mark.about("login")
def test_the_right_role_logs_in(answers, served):
    system, role = served
    found = ask(answers, system, f"{role}/right")
    assert (found.stage, found.status) == ("answered", 200), f"{role} should be let into {system}; got {found}"


@pytest.mark.about("login")
def test_a_wrong_password_is_refused(answers, served):
    system, role = served
    control(answers, system, role)
    found = ask(answers, system, f"{role}/wrong-password")
    assert (found.stage, found.status) == ("answered", 401), (
        f"a wrong password should get 401 from {system}; got {found}"
    )


@pytest.mark.about("wrong-role")
def test_accounts_without_the_role_are_refused(answers, tenancy, served):
    system, role = served
    control(answers, system, role)
    for account in without_role(tenancy, system, role):
        found = ask(answers, system, f"{role}/as/{account.id}")
        got = (found.stage, found.status)
        assert got == ("answered", 403), f"{account.id} should get 403 as {role} of {system}; got {found}"


@pytest.mark.about("no-certificate")
def test_without_a_certificate_the_handshake_is_refused(answers, served):
    system, role = served
    control(answers, system, role)
    found = ask(answers, system, f"{role}/no-certificate")
    assert found.stage == "refused", f"without a certificate {system} should break off the handshake; got {found}"


@pytest.mark.about("login")
def test_the_machine_of_the_unit_is_let_in_by_its_certificate(answers, interface):
    found = ask(answers, interface.id, "interface")
    assert (found.stage, found.status) == ("answered", 200), f"{interface.id} should know the unit; got {found}"


@pytest.mark.about("foreign-unit")
def test_an_account_is_refused_with_the_certificate_of_another_unit(answers, service):
    refused_to_neighbour(answers, service.id)


@pytest.mark.about("foreign-unit")
def test_the_machine_of_another_unit_is_refused(answers, interface):
    refused_to_neighbour(answers, f"{interface.id}/interface")


def refused_to_neighbour(answers, question):
    """Judge what a machine of another unit was answered on this unit's path."""
    found = answers["neighbour"].get(question)
    if found is None:
        pytest.skip("there is no machine of another unit with a certificate to try with now")
    if found.stage in {"unreachable", "unequipped"} or found.status in CANNOT_SAY:
        raise InconclusiveError(f"the other unit's machine could not ask {question}: {found}")
    refused = found.stage == "refused" or (found.stage, found.status) == ("answered", 403)
    assert refused, f"another unit's certificate should be refused on this unit's path; got {found}"
