"""The directory knows the unit's accounts, tells passwords apart, and shows an account nothing of others."""

import pytest

pytestmark = pytest.mark.about("directory", "bind")


def test_a_probe_logs_in_with_its_password(answers, probe):
    login = answers["probes"][probe.id]
    assert login.accepted, f"the directory refused the right password of {probe.id}: {login.detail}"


def test_a_wrong_password_is_refused(answers, probe):
    assert not answers["probes"][probe.id].accepted_wrong, f"{probe.id} was let in with a wrong password"


def test_an_account_sees_nothing_of_others(answers, probe):
    login = answers["probes"][probe.id]
    assert login.accepted, f"{probe.id} could not log in, so nothing could be looked at: {login.detail}"
    assert not login.sees, f"{probe.id} can read {len(login.sees)} accounts of others, e.g. {login.sees[0]}"


def test_a_person_has_an_account(answers, person):
    assert person.id in answers["people"], f"{person.dn} ({person.common_name}) doesn't exist"


def test_a_person_must_change_the_first_password(answers, person):
    entry = answers["people"].get(person.id)
    assert entry is not None, f"{person.dn} doesn't exist"
    assert entry.must_change or entry.changed, f"{person.id} may go on with a password that somebody else made"


def test_a_person_is_not_locked_out(answers, person):
    entry = answers["people"].get(person.id)
    assert entry is not None, f"{person.dn} doesn't exist"
    assert not entry.locked, f"{person.id} is in the roster but the account is locked"
