"""What the driver says of a stack: what would change, what happened, what went wrong.

Frozen, and JSON both ways (``msgspec``): a journal, a report and a worker on another machine hold the same values.
Values of properties are texts that the engine already stripped of secrets.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

QUIET = frozenset({"same", "read", "refresh"})
"""Operations of the engine that change nothing."""


class Operation(StrEnum):
    """What can be done with a stack."""

    PREVIEW = "preview"
    UP = "up"
    REFRESH = "refresh"
    DESTROY = "destroy"


class Status(StrEnum):
    """How a stack's run ended; everything but ``done`` comes with a failure."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    LOCKED = "locked"
    CANCELLED = "cancelled"


class Step(msgspec.Struct, frozen=True):
    """Something began, ended or failed.

    :param op: create, update, delete, replace, refresh, read or same.
    :param kind: type token of the resource.
    :param state: ``begun``, ``done`` or ``failed``.
    """

    stack: str
    op: str
    kind: str
    name: str
    state: str


class PropertyChange(msgspec.Struct, frozen=True, order=True):
    """One property that differs.

    :param path: as the engine writes it, e.g. ``members[2]``.
    :param kind: ``add``, ``update`` or ``delete``, with ``-replace`` behind it where the resource must be replaced.
    :param old: value as JSON, ``None`` where there is none; likewise ``new``. A secret is ``"[secret]"``, what isn't
        known yet ``"[unknown]"``.
    """

    path: str
    kind: str
    old: str | None = None
    new: str | None = None


class Change(msgspec.Struct, frozen=True):
    """One resource that changes.

    :param op: create, update, delete, replace or import.
    :param kind: type token.
    """

    op: str
    kind: str
    urn: str
    properties: tuple[PropertyChange, ...] = ()

    @property
    def name(self) -> str:
        """The resource's logical name."""
        return self.urn.rpartition("::")[2]


class Notice(msgspec.Struct, frozen=True):
    """What the engine, a provider or a policy says besides.

    :param severity: ``info``, ``warning`` or ``error``; a mandatory policy's word is an error, an advisory's a warning.
    :param urn: the resource's, empty for the stack.
    :param policy: id of the policy that speaks, empty otherwise.
    """

    severity: str
    message: str
    urn: str = ""
    policy: str = ""


class Failure(msgspec.Struct, frozen=True):
    """Why a stack's run didn't end well: code, message and hint of the error in ``donvi.errors``."""

    code: str
    message: str
    hint: str = ""


class Result(msgspec.Struct, frozen=True):
    """How one operation of one stack ended.

    :param counts: operation to number of resources, ``same`` included.
    :param seconds: wall clock.
    """

    stack: str
    operation: Operation
    status: Status
    changes: tuple[Change, ...] = ()
    counts: dict[str, int] = {}
    notices: tuple[Notice, ...] = ()
    failure: Failure | None = None
    seconds: float = 0.0

    @property
    def changed(self) -> int:
        """How many resources were, or in a preview would be, touched."""
        return sum(count for op, count in self.counts.items() if op not in QUIET)


class Options(msgspec.Struct, frozen=True):
    """How an operation is to be done.

    :param refresh: read the real systems first (``up`` and ``preview``).
    :param preview_only: ``refresh`` and ``destroy`` only say what they would do.
    :param policy: the policy pack judges (it always does by hand, so turning it off is for measurements).
    """

    refresh: bool = False
    preview_only: bool = False
    policy: bool = True


class StackRunner(Protocol):
    """Does one operation of one stack; may be called from several threads, one stack in each."""

    def run(
        self,
        operation: Operation,
        stack: str,
        options: Options,
        *,
        on_step: Callable[[Step], None] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Result:
        """Run to the end and say how it ended; a stack that fails is a result, not an exception.

        :param cancelled: once set, the engine is asked to end as by Ctrl-C and the result is ``cancelled``.
        :raises DonviError: what keeps every stack from running (no Pulumi, no lab).
        """
        ...
