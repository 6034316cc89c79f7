"""One run over many stacks: leases, platform first, waves and gates, the journal, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from donvi.fleet import gates, limits
from donvi.fleet.failures import error_of
from donvi.fleet.model import Operation
from donvi.fleet.records import UNFINISHED, Closed, State, WaveBegun
from donvi.fleet.schedule import INTERRUPTED, Budget, run_all
from donvi.fleet.select import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from donvi.errors import DonviError
    from donvi.fleet.gates import Health, Probe
    from donvi.fleet.model import Result
    from donvi.fleet.progress import Picture
    from donvi.fleet.records import Head, Judged
    from donvi.fleet.select import Target
    from donvi.fleet.work import StackWork

REFUSED, FAILED, HALTED, LOCKED = 4, 5, 6, 7


@dataclass
class Drive:
    """Drives a run from its head, or from where another driver left it.

    :param probe: asks a unit's real systems at a gate; ``None`` where no gate is wanted.
    :param confirm: gets what would be removed and raises unless somebody says the number.
    :param before: where the run stands, when it is resumed.
    :ivar looked: what the look before the run found, by stack.
    """

    head: Head
    work: StackWork
    probe: Probe | None
    confirm: Callable[[limits.Removal], None]
    before: Picture | None = None
    states: dict[str, State] = field(default_factory=dict)
    passed: set[int] = field(default_factory=set)
    halted: bool = False
    looked: dict[str, Result] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states = {target.stack: State.UNSTARTED for target in self.head.targets}
        if self.before is not None:
            self.states |= {stack.stack: stack.state for stack in self.before.stacks}
            self.passed = {gate.wave for gate in self.before.gates if gate.passed}
        self.budget = Budget(self.head.settings.max_failures, self.work.stop)

    @property
    def pending(self) -> tuple[Target, ...]:
        """What is still to do."""
        return tuple(target for target in self.head.targets if self.states[target.stack] in UNFINISHED)

    def run(self) -> int:
        """Run everything that is still to do and close the journal; returns the command's exit code.

        :raises UsageError: more would be removed than was allowed; nothing was changed.
        :raises DonviError: nothing can be run at all; the journal says so.
        """
        try:
            if limits.must_look(self.head.operation, self.head.settings):
                self._look()
            if not self.work.stop.halted:
                self._stacks()
        except BaseException as error:
            code = getattr(error, "exit_code", 1)
            self.work.journal.write(Closed(code if isinstance(code, int) else 1, str(error), datetime.now(UTC)))
            raise
        code = self.exit_code()
        self.work.journal.write(Closed(code, self.work.stop.why, datetime.now(UTC)))
        return code

    def exit_code(self) -> int:
        """Say how it went: the gravest thing that happened, but a halt and an interruption before all.

        ``refused`` and ``locked`` only where nothing else failed.
        """
        if self.work.stop.interrupted:
            return INTERRUPTED
        if self.halted:
            return HALTED
        ends = self.work.last.values()
        codes = {ended.failure.code for ended in ends if ended.failure is not None}
        if codes:
            return {frozenset({"policy"}): REFUSED, frozenset({"locked"}): LOCKED}.get(frozenset(codes), FAILED)
        return FAILED if any(state in UNFINISHED for state in self.states.values()) else 0

    def _look(self) -> None:
        """Look at all stacks before anything is changed, and have the number of deletions confirmed."""
        targets = [target for target in self.pending if self.work.exists(target.stack)]
        self.work.listener.phase("looking first", len(targets))

        def one(target: Target) -> None:
            self.looked[target.stack] = self.work.look(target.stack, self.head.operation)

        run_all(targets, one, parallel=self.head.settings.parallel, stop=self.work.stop)
        if self.work.stop.halted:
            return
        if unknown := [result for result in self.looked.values() if result.failure is not None]:
            raise _unknown(unknown)
        found = limits.removal(self.looked.values())
        if limits.needs_word(self.head.operation, self.head.settings, found):
            self.confirm(found)

    def _stacks(self) -> None:
        platform = [target for target in self.pending if target.stack == PLATFORM]
        last = self.head.operation is Operation.DESTROY
        if platform and not last:
            self._some("platform", platform)
            if self.states[PLATFORM] in UNFINISHED and self.head.operation is not Operation.PREVIEW:
                self.work.stop.halt("platform failed: units need what it makes")
        if self.head.settings.waves:
            self._waves()
        else:
            self._some("units", [target for target in self.pending if target.stack != PLATFORM])
        if (
            platform
            and last
            and not any(state in UNFINISHED for stack, state in self.states.items() if stack != PLATFORM)
        ):
            self._some("platform", platform)

    def _waves(self) -> None:
        waves = self.head.settings.waves
        targets = {target.stack: target for target in self.head.targets}
        for number, stacks in enumerate(waves, start=1):
            if self.work.stop.halted:
                return
            members = [targets[stack] for stack in stacks]
            pending = [target for target in members if self.states[target.stack] in UNFINISHED]
            if pending:
                self.work.journal.write(WaveBegun(number, datetime.now(UTC)))
                self._some(f"wave {number} of {len(waves)}", pending)
            if number < len(waves) and not self.work.stop.halted:
                self._gate(number, members)

    def _some(self, name: str, targets: Sequence[Target]) -> None:
        if not targets or self.work.stop.halted:
            return
        self.work.listener.phase(name, len(targets))

        def one(target: Target) -> None:
            ended = self.work(target)
            self.states[target.stack] = ended.state
            self.budget.count(ended)

        run_all(targets, one, parallel=self.head.settings.parallel, stop=self.work.stop)

    def _gate(self, number: int, members: Sequence[Target]) -> None:
        """Let the wave bake and ask its units; halt the run when too few are open.

        A wave in which nothing changed, now or before, proves what it proved before and isn't asked.
        """
        settings, stop, listener = self.head.settings, self.work.stop, self.work.listener
        changed = any(self.states[target.stack] not in {State.UNCHANGED, State.SKIPPED} for target in members)
        if self.probe is None or not settings.gates or number in self.passed or not changed:
            return
        stop.wait(settings.bake, lambda left: listener.waiting(f"wave {number} bakes", left))
        if stop.halted:
            return
        listener.phase(f"gate after wave {number}", min(len(members), settings.probes))
        judged = gates.ask(
            number,
            members,
            self.states,
            self.probe,
            most=settings.max_failures,
            probes=settings.probes,
            parallel=settings.parallel,
            stop=stop,
            tell=self._tell,
        )
        if judged is not None:
            self._judged(judged)

    def _tell(self, code: str, health: Health) -> None:
        self.work.listener.asked(f"{code}: open" if health.open else f"{code}: not open: {health.reason}")

    def _judged(self, judged: Judged) -> None:
        self.work.journal.write(judged)
        self.work.listener.note(f"gate after wave {judged.wave}: {'passed' if judged.passed else 'HALT'}, {judged.why}")
        if not judged.passed:
            self.halted = True
            self.work.stop.halt(f"the gate after wave {judged.wave} halted the run: {judged.why}")


def _unknown(unknown: Sequence[Result]) -> DonviError:
    """Say that nobody knows what would be removed, as the first stack's failure."""
    failure = next(result.failure for result in unknown if result.failure is not None)
    more = f" (and {len(unknown) - 1} stacks more)" if len(unknown) > 1 else ""
    return error_of(
        msgspec.structs.replace(failure, message=f"looking first, nothing was changed: {failure.message}{more}")
    )
