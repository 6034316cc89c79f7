"""What a JUnit report of the acceptance suite is read as."""

import pytest

from donvi.errors import VerificationError
from donvi.verify import Outcome
from donvi.verify.junit import read_junit

SUITE = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" tests="1" time="4.25">
<properties><property name="unit" value="26506"/><property name="name" value="Phường Vũng Tàu"/>
<property name="finished_at" value="2026-07-01T08:00:00+00:00"/></properties>{cases}</testsuite></testsuites>"""


def case(verdict, inside=""):
    said = f'<property name="verdict" value="{verdict}"/>' if verdict else ""
    return (
        '<testcase name="test_x[a]" time="0.5"><properties><property name="system" value="mail"/>'
        '<property name="subject" value="delivery"/><property name="title" value="a message arrives"/>'
        f"{said}</properties>{inside}</testcase>"
    )


@pytest.fixture
def read(tmp_path):
    def reader(*cases):
        file = tmp_path / "report.xml"
        file.write_text(SUITE.format(cases="".join(cases)), encoding="utf-8")
        return read_junit(file)

    return reader


def test_the_unit_the_time_and_the_check_are_read(read):
    found = read(case("passed"))
    assert (found.unit, found.name, found.finished_at) == ("26506", "Phường Vũng Tàu", "2026-07-01T08:00:00+00:00")
    (only,) = found.checks
    assert (only.system, only.subject, only.title, only.outcome) == ("mail", "delivery", "a message arrives", "passed")


def test_a_failure_keeps_what_was_seen(read):
    found = read(case("failed", '<failure message="it never came">it never came</failure>'))
    assert (found.checks[0].outcome, found.checks[0].message) == (Outcome.FAILED, "it never came")


def test_what_could_not_be_judged_is_inconclusive_although_junit_calls_it_a_failure(read):
    found = read(case("inconclusive", '<failure message="inconclusive: mail is down">x</failure>'))
    assert found.checks[0].outcome is Outcome.INCONCLUSIVE
    assert not found.open


@pytest.mark.parametrize("inside", ["", '<failure message="KeyError">KeyError</failure>'])
def test_a_case_without_a_verdict_is_never_a_pass(read, inside):
    assert read(case("", inside)).checks[0].outcome is Outcome.INCONCLUSIVE


def test_a_report_about_nobody_is_refused(tmp_path):
    file = tmp_path / "report.xml"
    file.write_text("<testsuites><testsuite/></testsuites>")
    with pytest.raises(VerificationError, match="which unit"):
        read_junit(file)


def test_a_missing_report_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(VerificationError, match=r"gone\.xml"):
        read_junit(tmp_path / "gone.xml")
