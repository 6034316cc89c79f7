"""The pytest plugin that turns what tests ended with into verdicts: in the JUnit report, and on a pipe as they come.

A message never holds a traceback: pytest's show values.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest

from donvi.errors import DonviError
from donvi.verify.ask import NotHereError
from donvi.verify.model import CheckResult, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from donvi.tenancy.model import UnitFacts

MESSAGE_CHARACTERS = 600


class Reporting:
    """The plugin for one unit.

    :param descriptor: file descriptor that gets each result as a line of JSON; negative for none.
    """

    def __init__(self, unit: UnitFacts, descriptor: int) -> None:
        self._unit = unit
        self._descriptor = descriptor
        if descriptor >= 0:
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - the standard library's signature

    @pytest.fixture(scope="session", autouse=True)
    def about_the_unit(self, record_testsuite_property: Callable[[str, object], None]) -> Iterator[None]:
        """Write into the report which unit it is about, and when the last check had ended."""
        record_testsuite_property("unit", self._unit.code)
        record_testsuite_property("name", self._unit.name)
        yield
        record_testsuite_property("finished_at", datetime.now(UTC).isoformat(timespec="seconds"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the verdict into the report."""
        report = yield
        if report.when == "call" or not report.passed:
            outcome = verdict(call, report)
            # the JUnit report reads the item's properties when the test is torn down
            item.user_properties.append(("verdict", outcome.value))
            report.user_properties = list(item.user_properties)
            if report.failed and call.excinfo is not None:
                report.longrepr = message(outcome, call.excinfo.value)
            self._tell(report, outcome)
        return report

    def _tell(self, report: pytest.TestReport, outcome: Outcome) -> None:
        if self._descriptor < 0:
            return
        about = {str(name): str(value) for name, value in report.user_properties}
        result = CheckResult(
            unit=self._unit.code,
            system=about["system"],
            subject=about["subject"],
            title=about["title"],
            outcome=outcome,
            message=str(report.longrepr or "") if report.failed else "",
            seconds=round(report.duration, 3),
        )
        os.write(self._descriptor, msgspec.json.encode(result) + b"\n")


def verdict(call: pytest.CallInfo[None], report: pytest.TestReport) -> Outcome:
    """Judge a test by how it ended: only an assertion about an answer can fail, anything else is inconclusive."""
    if report.passed:
        return Outcome.PASSED
    if report.skipped:
        return Outcome.SKIPPED
    if call.excinfo is not None and isinstance(call.excinfo.value, NotHereError):
        return Outcome.ABSENT
    failed = call.excinfo is not None and isinstance(call.excinfo.value, AssertionError)
    return Outcome.FAILED if failed else Outcome.INCONCLUSIVE


def message(outcome: Outcome, error: BaseException) -> str:
    """Say in a line or two what was seen."""
    said = error.message if isinstance(error, DonviError) else str(error)
    if not isinstance(error, DonviError | AssertionError):
        said = f"{type(error).__name__}: {said}"
    hint = f" ({error.hint})" if isinstance(error, DonviError) and error.hint else ""
    prefix = f"{outcome.value}: " if outcome is Outcome.INCONCLUSIVE else ""
    return prefix + said.split("\nassert ")[0][:MESSAGE_CHARACTERS] + hint
