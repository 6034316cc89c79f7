"""What a verification found, as frozen values; the rule that turns checks into a verdict lives here only."""

from __future__ import annotations

from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from donvi.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMED_IN_ERROR = 5


class Outcome(StrEnum):
    """What one check, one system or one unit came to."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    """It could not be judged: the target is down, or nobody knows how to ask. Never counts as passed."""
    SKIPPED = "skipped"
    """It doesn't apply now, e.g. no neighbouring unit is up to try with. Proves nothing, refutes nothing."""
    ABSENT = "absent"
    """It needs a machine of the unit that this lab doesn't have. Proves nothing, and the unit isn't open."""
    PARTLY = "partly"
    """Of a system or a unit only: what could be asked is true, the rest needs a machine that this lab doesn't have."""


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """One question that was put to a real system, and the answer."""

    unit: str
    system: str
    subject: str
    title: str  # a sentence that is true when the check passed
    outcome: Outcome
    message: str = ""  # why it isn't "passed"; "" otherwise
    seconds: float = 0.0


class SystemVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the readiness matrix."""

    system: str
    outcome: Outcome
    passed: int
    failed: int
    inconclusive: int
    skipped: int
    absent: int = 0

    @classmethod
    def of(cls, system: str, outcomes: Iterable[Outcome]) -> SystemVerdict:
        """Judge a system by its checks: one failure fails it, and a system of which nothing was proven isn't open."""
        found = list(outcomes)
        count = {outcome: found.count(outcome) for outcome in Outcome}
        return cls(
            system=system,
            outcome=_judged(count),
            passed=count[Outcome.PASSED],
            failed=count[Outcome.FAILED],
            inconclusive=count[Outcome.INCONCLUSIVE],
            skipped=count[Outcome.SKIPPED],
            absent=count[Outcome.ABSENT],
        )


def _judged(count: dict[Outcome, int]) -> Outcome:
    if count[Outcome.FAILED]:
        return Outcome.FAILED
    if count[Outcome.INCONCLUSIVE]:
        return Outcome.INCONCLUSIVE
    if count[Outcome.ABSENT]:
        return Outcome.PARTLY if count[Outcome.PASSED] else Outcome.ABSENT
    return Outcome.PASSED if count[Outcome.PASSED] else Outcome.INCONCLUSIVE


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one run of the acceptance suite found about one unit."""

    unit: str
    name: str
    finished_at: str  # RFC 3339, UTC
    seconds: float
    systems: tuple[SystemVerdict, ...]  # sorted by system
    checks: tuple[CheckResult, ...]  # sorted by system, subject, title

    @classmethod
    def of(cls, *, unit: str, name: str, finished_at: str, seconds: float, checks: Iterable[CheckResult]) -> Verdict:
        """Build the verdict of a unit from the results of its checks."""
        ordered = tuple(sorted(checks, key=lambda check: (check.system, check.subject, check.title)))
        systems = tuple(
            SystemVerdict.of(system, [check.outcome for check in group])
            for system, group in groupby(ordered, key=lambda check: check.system)
        )
        return cls(unit=unit, name=name, finished_at=finished_at, seconds=seconds, systems=systems, checks=ordered)

    @property
    def outcome(self) -> Outcome:
        """The unit's own verdict: open only when every system is."""
        found = {system.outcome for system in self.systems}
        if Outcome.FAILED in found:
            return Outcome.FAILED
        if not found or Outcome.INCONCLUSIVE in found:
            return Outcome.INCONCLUSIVE
        if found == {Outcome.PASSED}:
            return Outcome.PASSED
        return Outcome.ABSENT if found == {Outcome.ABSENT} else Outcome.PARTLY

    @property
    def open(self) -> bool:
        """Whether every system of the unit was proven to work."""
        return self.outcome is Outcome.PASSED

    @property
    def sound(self) -> bool:
        """Whether all that could be asked is true: the unit is open, or would be but for machines not in this lab."""
        return self.outcome in {Outcome.PASSED, Outcome.PARTLY}

    def count(self, outcome: Outcome) -> int:
        """Return how many checks came to ``outcome``."""
        return sum(check.outcome is outcome for check in self.checks)

    @property
    def findings(self) -> tuple[CheckResult, ...]:
        """What stands in the way: failed checks first, then inconclusive ones."""
        failed = (check for check in self.checks if check.outcome is Outcome.FAILED)
        unclear = (check for check in self.checks if check.outcome is Outcome.INCONCLUSIVE)
        return (*failed, *unclear)

    def reasons(self) -> tuple[tuple[CheckResult, int], ...]:
        """Return the findings with equal reasons taken together: the first of each, and how many say the same."""
        together: dict[tuple[str, Outcome, str], list[CheckResult]] = {}
        for check in self.findings:
            together.setdefault((check.system, check.outcome, check.message), []).append(check)
        return tuple((checks[0], len(checks)) for checks in together.values())

    def require_open(self) -> None:
        """Do nothing when the unit is open, as far as its machines are in this lab.

        :raises VerificationError: naming the unit and the first checks that aren't true.
        """
        if self.sound:
            return
        reasons = self.reasons()
        lines = [f"{check.system}: {check.title}: {check.message}" for check, _ in reasons[:NAMED_IN_ERROR]]
        if not reasons:
            lines = ["no check of it could run"]
        if len(reasons) > NAMED_IN_ERROR:
            lines.append(f"and {len(reasons) - NAMED_IN_ERROR} other reasons")
        raise VerificationError(
            f"unit {self.unit} ({self.name}) isn't open, {self.count(Outcome.FAILED)} checks failed, "
            f"{self.count(Outcome.INCONCLUSIVE)} could not be judged: " + "; ".join(lines),
            hint=f"run `donvi verify {self.unit}` for all of them, repair, then `pulumi up` again",
        )
