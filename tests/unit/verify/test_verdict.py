"""The rule that turns checks into verdicts."""

import pytest

from donvi.errors import VerificationError
from donvi.verify import CheckResult, Outcome, SystemVerdict, Verdict


def check(system, outcome, *, title="something is true", message="it isn't"):
    said = "" if outcome is Outcome.PASSED else message
    return CheckResult(unit="26506", system=system, subject="login", title=title, outcome=outcome, message=said)


def verdict(*checks):
    return Verdict.of(unit="26506", name="Phường Vũng Tàu", finished_at="", seconds=1.0, checks=checks)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["passed"], "passed"),
        (["passed", "skipped"], "passed"),
        (["passed", "inconclusive"], "inconclusive"),
        (["passed", "inconclusive", "failed"], "failed"),
        (["skipped"], "inconclusive"),
        ([], "inconclusive"),
        (["absent"], "absent"),
        (["absent", "skipped"], "absent"),
        (["absent", "passed"], "partly"),
        (["absent", "passed", "inconclusive"], "inconclusive"),
        (["absent", "passed", "failed"], "failed"),
    ],
)
def test_a_system_is_open_only_if_something_was_proven_and_nothing_is_in_doubt(outcomes, expected):
    assert SystemVerdict.of("mail", [Outcome(o) for o in outcomes]).outcome == expected


def test_a_unit_is_open_only_if_every_system_is():
    assert verdict(check("mail", Outcome.PASSED), check("tthc", Outcome.PASSED)).open
    assert not verdict(check("mail", Outcome.PASSED), check("tthc", Outcome.INCONCLUSIVE)).open
    assert verdict(check("mail", Outcome.INCONCLUSIVE), check("tthc", Outcome.FAILED)).outcome is Outcome.FAILED


def test_a_unit_without_machines_in_the_lab_is_open_partly_and_up_is_content_with_that():
    found = verdict(check("mail", Outcome.PASSED), check("vault", Outcome.ABSENT))
    assert (found.outcome, found.open, found.sound) == (Outcome.PARTLY, False, True)
    found.require_open()


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.INCONCLUSIVE])
def test_a_missing_machine_excuses_nothing_else(outcome):
    found = verdict(check("mail", outcome), check("vault", Outcome.ABSENT))
    assert not found.sound
    with pytest.raises(VerificationError, match="mail: something is true"):
        found.require_open()


def test_of_a_unit_that_could_be_asked_nothing_nothing_is_known():
    found = verdict(check("vault", Outcome.ABSENT))
    assert not found.sound
    with pytest.raises(VerificationError, match="no check of it could run"):
        found.require_open()


def test_a_unit_about_which_nothing_was_asked_is_not_open():
    with pytest.raises(VerificationError, match="no check of it could run"):
        verdict().require_open()


def test_the_order_in_which_checks_ran_does_not_show():
    one, two = check("tthc", Outcome.PASSED), check("mail", Outcome.PASSED)
    assert verdict(one, two) == verdict(two, one)


def test_the_error_names_the_unit_the_system_what_was_seen_and_the_remedy():
    found = verdict(check("mail", Outcome.FAILED, title="an alias delivers", message="550 no such user"))
    with pytest.raises(VerificationError) as raised:
        found.require_open()
    assert "26506 (Phường Vũng Tàu)" in raised.value.message
    assert "mail: an alias delivers: 550 no such user" in raised.value.message
    assert "donvi verify 26506" in raised.value.hint


def test_equal_reasons_are_told_once_and_failures_before_doubts():
    doubts = [check("mail", Outcome.INCONCLUSIVE, title=f"{n}", message="mail is down") for n in range(9)]
    found = verdict(*doubts, check("tthc", Outcome.FAILED, message="HTTP 500"))
    assert [(c.system, same) for c, same in found.reasons()] == [("tthc", 1), ("mail", 9)]
