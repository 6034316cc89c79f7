"""What a look for drift found. Frozen, and JSON both ways like everything else of the driver."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from donvi.fleet.model import Change  # noqa: TC001 - msgspec reads the annotations

GONE, CHANGED = "delete", "update"
"""What a refresh would record, in the engine's words."""


class Outcome(StrEnum):
    """The verdict on one stack or on all."""

    NONE = "none"
    DRIFT = "drift"
    INCONCLUSIVE = "inconclusive"
    """Something couldn't be read: never the same as no drift."""


class Finding(msgspec.Struct, frozen=True):
    """A resource that isn't what its stack declares.

    :ivar change: as the engine's refresh would show it; the new values are the real ones.
    :ivar notes: what the provider says beside it.
    :ivar rule: id of the rule by which it is known noise, "" when it counts.
    """

    stack: str
    change: Change
    notes: tuple[str, ...] = ()
    rule: str = ""


class Unread(msgspec.Struct, frozen=True):
    """A resource that couldn't be judged, and why."""

    stack: str
    kind: str
    urn: str
    code: str
    message: str
    hint: str = ""

    @property
    def name(self) -> str:
        """Its logical name."""
        return self.urn.rpartition("::")[2]


class Skipped(msgspec.Struct, frozen=True):
    """Resources of a kind that nobody was asked to look at."""

    kind: str
    count: int
    reason: str


class Report(msgspec.Struct, frozen=True):
    """Everything one look found.

    :ivar stacks: what was looked at, in order.
    :ivar resources: how many resources a refresh would have read.
    :ivar notices: what a person should know of how it was read.
    :ivar seconds: wall clock, by part: ``state``, each bulk read, ``judge``, ``total``.
    """

    stacks: tuple[str, ...]
    resources: int
    findings: tuple[Finding, ...] = ()
    unread: tuple[Unread, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notices: tuple[str, ...] = ()
    seconds: dict[str, float] = {}

    @property
    def counted(self) -> tuple[Finding, ...]:
        """Findings that no rule explains."""
        return tuple(finding for finding in self.findings if not finding.rule)

    @property
    def outcome(self) -> Outcome:
        """The verdict: what couldn't be read leaves it open, even beside drift that was found."""
        if self.unread:
            return Outcome.INCONCLUSIVE
        return Outcome.DRIFT if self.counted else Outcome.NONE

    def of(self, stack: str) -> Outcome:
        """Return the verdict on one stack."""
        if any(one.stack == stack for one in self.unread):
            return Outcome.INCONCLUSIVE
        return Outcome.DRIFT if any(one.stack == stack for one in self.counted) else Outcome.NONE
