"""One stack of a run, from its lease to the journal's line: healed, made if it must be, run, recorded."""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from donvi.errors import DonviError, EngineError, LockedError, UsageError
from donvi.fleet import checkpoints, leasing, locks, pending
from donvi.fleet.failures import failure_of
from donvi.fleet.model import QUIET, Failure, Operation, Options, Result, StackRunner, Status
from donvi.fleet.records import Begun, Ended, State, Touched
from donvi.fleet.select import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from donvi.fleet.journal import Journal
    from donvi.fleet.leasing import Leasing
    from donvi.fleet.model import Step
    from donvi.fleet.records import Settings
    from donvi.fleet.schedule import Stop
    from donvi.fleet.select import Target

ORPHAN_SECONDS = 120.0
"""How long an engine whose driver is dead may take to end by itself: it loses its output and then its life."""

POLL_SECONDS = 0.2
PACKED = ("", ".gz", ".zst")
"""How a stack's file may end, plain or compressed."""

_PROJECT = re.compile(r"(?m)^name:\s*(\S+)\s*$")


class Runner(StackRunner, Protocol):
    """A runner that can also list and make stacks."""

    environ: dict[str, str]
    repository: Path

    def stacks(self) -> set[str]:
        """Return the names of the stacks that exist."""
        ...

    def make(self, stack: str) -> None:
        """Make a stack that doesn't exist."""
        ...


class Listener:
    """Hears what happens, for whoever looks on; called from several threads. This one does nothing."""

    def phase(self, name: str, total: int) -> None:
        """Something begins that so many stacks take part in, e.g. ``wave 2 of 4``."""

    def begun(self, target: Target) -> None:
        """A stack begins."""

    def step(self, step: Step) -> None:
        """A resource of a stack begins, is done or failed."""

    def ended(self, target: Target, ended: Ended) -> None:
        """A stack ended."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def asked(self, text: str) -> None:
        """A unit was asked at a gate; worth a line."""

    def waiting(self, text: str, seconds: float) -> None:
        """The run waits for so many seconds more."""

    def left(self) -> None:
        """The driver leaves at once, in the middle."""

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the terminal to a question for as long as the block runs."""
        yield


class Known(Protocol):
    """Proofs that a stack needs no run (receipts)."""

    def proof(self, stack: str) -> str:
        """Say why a stack needs no run; empty when that isn't proven."""
        ...

    def record(self, stack: str, result: Result) -> None:
        """Remember that a stack was run to its end."""
        ...


class Approval(Protocol):
    """What a person approved."""

    def objection(self, preview: Result) -> Failure | None:
        """Say why a stack's preview isn't what was approved; ``None`` when it is."""
        ...


@dataclass
class StackWork:
    """Does one operation of any stack of a run; called from several threads.

    :param leases: of this run, taken; ``None`` for a preview.
    :param suspect: stacks that a dead run may have left in the middle: healed first, then run with refresh.
    :ivar results: what the engine said of each stack that was run, or why it couldn't be.
    :ivar last: how each stack ended.
    """

    runner: Runner
    operation: Operation
    settings: Settings
    journal: Journal
    stop: Stop
    listener: Listener
    leases: Leasing | None = None
    known: Known | None = None
    approval: Approval | None = None
    suspect: set[str] = field(default_factory=set)
    results: dict[str, Result] = field(default_factory=dict)
    last: dict[str, Ended] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._made = threading.Lock()
        self._existing: set[str] | None = None
        self.project = project_of(self.runner.repository)

    def __call__(self, target: Target) -> Ended:
        """Do the operation of one stack and record how it ended; a stack that fails is no exception.

        :raises DonviError: nothing can be run at all.
        """
        self.journal.write(Begun(target.stack, datetime.now(UTC)))
        self.listener.begun(target)
        begun = time.monotonic()
        ended = self._ended(target.stack)
        if not ended.seconds:
            ended = msgspec.structs.replace(ended, seconds=round(time.monotonic() - begun, 3))
        self.last[target.stack] = ended
        if ended.failure is not None and target.stack not in self.results:
            self.results[target.stack] = Result(target.stack, self.operation, Status.FAILED, failure=ended.failure)
        self.journal.write(ended)
        if self.leases is not None:
            self.leases.release([target.stack])
        self.listener.ended(target, ended)
        return ended

    def exists(self, stack: str) -> bool:
        """Whether the stack is there: its file is, or it was listed when one was first asked for."""
        environ = self.runner.environ
        if leasing.is_file(environ):
            folder = locks.backend_folder(environ) / ".pulumi/stacks" / self.project
            return any((folder / f"{stack}.json{packed}").exists() for packed in PACKED)
        with self._made:
            if self._existing is None:
                self._existing = self.runner.stacks()
            return stack in self._existing

    def _make(self, stack: str) -> None:
        """Make a stack; it is empty and changes nothing, so a preview makes it too.

        :raises EngineError: it can't be made.
        """
        try:
            self.runner.make(stack)
        except EngineError as error:
            if stack == PLATFORM or self.exists(PLATFORM):
                raise
            hint = "`platform` makes the keys of units: `donvi up platform`, then again"
            raise EngineError(error.message, hint=hint) from None

    def look(self, stack: str, operation: Operation) -> Result:
        """Say what an operation would do, doing nothing; a stack that isn't there would lose nothing."""
        if not self.exists(stack):
            return Result(stack, operation, Status.DONE)
        options = Options(refresh=self.settings.refresh, policy=self.settings.policy, preview_only=True)
        looked = Operation.PREVIEW if operation is Operation.UP else operation
        return self.runner.run(looked, stack, options, cancelled=self.stop.cancelled)

    def _ended(self, stack: str) -> Ended:
        try:
            healed = self._heal(stack)
            if why := self._needless(stack, healed=bool(healed)):
                return Ended(stack, State.SKIPPED, datetime.now(UTC), why=why)
            if not self.exists(stack):
                if self.operation is Operation.DESTROY:
                    return Ended(stack, State.SKIPPED, datetime.now(UTC), why="there is no such stack")
                self._make(stack)
        except DonviError as error:
            return Ended(stack, State.FAILED, datetime.now(UTC), failure=failure_of(error))
        if (ended := self._unapproved(stack)) is not None:
            return ended
        refresh = self.settings.refresh or bool(healed)
        options = Options(refresh=refresh, policy=self.settings.policy)
        result = self.runner.run(self.operation, stack, options, on_step=self._step, cancelled=self.stop.cancelled)
        self.results[stack] = result
        if self.known is not None and result.failure is None:
            self.known.record(stack, result)
        return ended_of(result, why=healed)

    def _needless(self, stack: str, *, healed: bool) -> str:
        """Say why the stack needs no run."""
        asked = self.known is not None and self.settings.receipts and not healed and not self.settings.refresh
        return self.known.proof(stack) if asked and self.known is not None else ""

    def _unapproved(self, stack: str) -> Ended | None:
        """Say how a stack ends whose preview isn't what was approved; ``None`` when it may go on."""
        if self.approval is None or self.operation is not Operation.UP:
            return None
        options = Options(refresh=self.settings.refresh, policy=self.settings.policy)
        preview = self.runner.run(Operation.PREVIEW, stack, options, cancelled=self.stop.cancelled)
        if preview.failure is not None:
            return ended_of(preview)
        objection = self.approval.objection(preview)
        return None if objection is None else Ended(stack, State.FAILED, datetime.now(UTC), failure=objection)

    def _heal(self, stack: str) -> str:
        """Remove what a dead run left of this stack, with proof; says what was done, empty when nothing was.

        :raises LockedError: an engine that lives holds the stack.
        """
        if self.leases is None or not leasing.can_heal(self.runner.environ):
            return ""
        environ, suspect = self.runner.environ, stack in self.suspect
        if not suspect and not leasing.engine_locks(environ, self.project, stack):
            return ""
        removed = self._heal_lock(stack, patient=suspect)
        files = leasing.is_file(environ)
        mended = checkpoints.mend(locks.backend_folder(environ), self.project, stack) if files else []
        struck = pending.strike(environ, self.project, stack) if self.exists(stack) else []
        told = [f"lock of {held} removed: {proof}" for held, proof in removed]
        told += [f"half-written {path.name} removed" for path in mended]
        told += [f"{len(struck)} creates were under way"] if struck else []
        return "; ".join(told) or "a dead run had begun it"

    def _heal_lock(self, stack: str, *, patient: bool) -> Sequence[tuple[object, str]]:
        """Heal the engine's lock; an engine that outlives its dead driver is given time to end."""
        end = time.monotonic() + ORPHAN_SECONDS
        while True:
            try:
                return leasing.heal(self.runner.environ, self.project, stack)
            except LockedError:
                if not patient or time.monotonic() > end or self.stop.cancelled.wait(POLL_SECONDS):
                    raise

    def _step(self, step: Step) -> None:
        self.listener.step(step)
        if step.state != "begun" and step.op not in QUIET:
            now = datetime.now(UTC)
            self.journal.write(Touched(step.stack, step.op, step.kind, step.name, step.state, now), keep=False)


def ended_of(result: Result, *, why: str = "") -> Ended:
    """Return the journal's line for an engine's result."""
    state = State.FAILED
    if result.status is Status.DONE:
        state = State.DONE if result.changed else State.UNCHANGED
    elif result.status is Status.CANCELLED:
        state = State.INTERRUPTED
    failure = None if state is State.INTERRUPTED else result.failure
    return Ended(result.stack, state, datetime.now(UTC), result.counts, round(result.seconds, 3), failure, why)


def project_of(repository: Path) -> str:
    """Return the name of the Pulumi project in a folder.

    :raises UsageError: there is none.
    """
    file = repository / "Pulumi.yaml"
    match = _PROJECT.search(file.read_text(encoding="utf-8")) if file.is_file() else None
    if match is None:
        raise UsageError(f"{file} names no project", hint="run donvi from a clone of the repository")
    return match[1].strip("\"'")
