"""Reads the JUnit report of an acceptance run back into a verdict.

The suite writes properties on every test case (``system``, ``subject``, ``title``, ``verdict``) and on the suite
(``unit``, ``name``). A test case without a verdict, say because the suite itself is broken, counts as inconclusive.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from donvi.errors import VerificationError
from donvi.verify.model import CheckResult, Outcome, Verdict

if TYPE_CHECKING:
    from pathlib import Path

BY_ELEMENT = {"failure": Outcome.FAILED, "error": Outcome.INCONCLUSIVE, "skipped": Outcome.SKIPPED}


def read_junit(path: Path) -> Verdict:
    """Return the verdict that a report holds.

    :raises VerificationError: the file is missing, isn't JUnit, or doesn't say which unit it is about.
    """
    try:
        suite = ET.parse(path).getroot().find("testsuite")  # noqa: S314
    except (OSError, ET.ParseError) as error:
        raise VerificationError(f"{path} isn't a report of the acceptance suite: {error}") from None
    about = {} if suite is None else _properties(suite)
    if suite is None or "unit" not in about:
        raise VerificationError(f"{path} doesn't say which unit it is about", hint="run `donvi verify UNIT` again")
    seconds = float(suite.get("time", "0"))
    return Verdict.of(
        unit=about["unit"],
        name=about.get("name", ""),
        finished_at=about.get("finished_at") or datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
        checks=[_check(about["unit"], case) for case in suite.iter("testcase")],
    )


def _properties(element: ET.Element) -> dict[str, str]:
    return {p.get("name", ""): p.get("value", "") for p in element.findall("properties/property")}


def _check(unit: str, case: ET.Element) -> CheckResult:
    about = _properties(case)
    outcome, message = Outcome.PASSED, ""
    for element, found in BY_ELEMENT.items():
        if (node := case.find(element)) is not None:
            outcome, message = found, (node.text or node.get("message") or "").strip()
            break
    if "verdict" in about:
        outcome = Outcome(about["verdict"])
    elif outcome is not Outcome.SKIPPED:
        outcome, message = Outcome.INCONCLUSIVE, message or "the suite gave no verdict"
    return CheckResult(
        unit=unit,
        system=about.get("system", "suite"),
        subject=about.get("subject", case.get("name", "")),
        title=about.get("title", case.get("name", "")),
        outcome=outcome,
        message=message,
        seconds=float(case.get("time", "0")),
    )
