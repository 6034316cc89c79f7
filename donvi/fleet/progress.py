"""Where a run stands: the journal's lines folded into one picture. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import datetime  # noqa: TC003  # msgspec reads the annotations
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from donvi.fleet import owners
from donvi.fleet.model import Failure, Operation  # noqa: TC001
from donvi.fleet.owners import Owner  # noqa: TC001
from donvi.fleet.records import UNFINISHED, Begun, Ended, Judged, State, Touched, WaveBegun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.fleet.journal import Story
    from donvi.fleet.records import Head


HOLDERS = ("pulumi:", "donvi:component:")
"""Types that are nothing of their own: they only hold others."""


class RunState(StrEnum):
    """Where a whole run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    HALTED = "halted"
    INTERRUPTED = "interrupted"
    """Its driver died or was stopped."""
    ELSEWHERE = "elsewhere"
    """Another host drives it, or did: nobody here can know whether it lives."""


class StackStory(msgspec.Struct, frozen=True, kw_only=True):
    """Where one stack of a run stands.

    :param wave: number of the wave, 0 where there are none.
    """

    stack: str
    code: str
    name: str
    locality: str
    wave: int
    state: State
    counts: dict[str, int] = {}
    seconds: float = 0.0
    failure: Failure | None = None
    why: str = ""


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A run as people and programs look at it.

    :param gates: what every gate decided, the last one per wave.
    :param at_wave: the wave that began last, 0 before the first.
    :param systems: resources that were touched, or in a preview would be, by the system that holds them.
    """

    id: str
    operation: Operation
    state: RunState
    begun: datetime
    ended: datetime | None
    exit_code: int | None
    why: str
    owner: Owner
    revision: str
    arguments: tuple[str, ...]
    at_wave: int
    waves: int
    stacks: tuple[StackStory, ...]
    gates: tuple[Judged, ...]
    systems: dict[str, int] = {}

    @property
    def tally(self) -> Counter[State]:
        """How many stacks stand where."""
        return Counter(stack.state for stack in self.stacks)

    @property
    def unfinished(self) -> tuple[StackStory, ...]:
        """What ``resume`` would go on with."""
        return tuple(stack for stack in self.stacks if stack.state in UNFINISHED)


def picture(story: Story, here: Owner) -> Picture:
    """Fold a run's lines, as seen from a process of now.

    A stack that began and didn't end is running while its driver isn't known to be dead, else interrupted.
    """
    closed, owner = story.closed, story.owner
    proof = owners.proof_of_death(owner, here)
    elsewhere = proof is None and not owner_is_here(owner, here)
    alive = closed is None and proof is None
    return Picture(
        id=story.head.id,
        operation=story.head.operation,
        state=_run_state(closed.exit_code if closed else None, dead=proof is not None, elsewhere=elsewhere),
        begun=story.head.begun,
        ended=closed.at if closed else None,
        exit_code=closed.exit_code if closed else None,
        why=closed.why if closed else (f"its driver is dead: {proof}" if proof else ""),
        owner=owner,
        revision=story.head.revision,
        arguments=story.head.arguments,
        at_wave=max((record.wave for record in story.records if isinstance(record, WaveBegun)), default=0),
        waves=len(story.head.settings.waves),
        stacks=tuple(_stacks(story, alive=alive)),
        gates=tuple({record.wave: record for record in story.records if isinstance(record, Judged)}.values()),
        systems=dict(sorted(Counter(_touched(story)).items())),
    )


def owner_is_here(owner: Owner, here: Owner) -> bool:
    """Whether this process could prove the owner's death."""
    return (owner.host, owner.machine, owner.space) == (here.host, here.machine, here.space)


def failed_stacks(shown: Picture) -> frozenset[str]:
    """Return the stacks that a run failed at or was interrupted in."""
    return frozenset(stack.stack for stack in shown.stacks if stack.state in {State.FAILED, State.INTERRUPTED})


def wave_numbers(head: Head) -> dict[str, int]:
    """Return the wave of each stack, from 1; empty without waves."""
    return {stack: number for number, wave in enumerate(head.settings.waves, start=1) for stack in wave}


def system_of(kind: str) -> str:
    """Return the system that holds a resource of this type: ``directory``, ``mail``, ``vault`` …, ``kubernetes``."""
    package, _, rest = kind.partition(":")
    return rest.partition(":")[0].partition("/")[0] if package == "donvi" else package


def _touched(story: Story) -> Iterable[str]:
    """Yield the system of every resource touched, each resource once."""
    kinds = {
        (record.stack, record.name, record.kind)
        for record in story.records
        if isinstance(record, Touched) and record.state == "done"
    }
    return (system_of(kind) for _, _, kind in kinds if not kind.startswith(HOLDERS))


def _stacks(story: Story, *, alive: bool) -> Iterable[StackStory]:
    last: dict[str, Begun | Ended] = {
        record.stack: record for record in story.records if isinstance(record, Begun | Ended)
    }
    waves = wave_numbers(story.head)
    for target in story.head.targets:
        record = last.get(target.stack)
        ended = record if isinstance(record, Ended) else None
        state = State.UNSTARTED if record is None else State.RUNNING if alive else State.INTERRUPTED
        yield StackStory(
            stack=target.stack,
            code=target.code,
            name=target.name,
            locality=target.locality,
            wave=waves.get(target.stack, 0),
            state=ended.state if ended else state,
            counts=ended.counts if ended else {},
            seconds=ended.seconds if ended else 0.0,
            failure=ended.failure if ended else None,
            why=ended.why if ended else "",
        )


def _run_state(exit_code: int | None, *, dead: bool, elsewhere: bool) -> RunState:
    if exit_code is None:
        return RunState.INTERRUPTED if dead else RunState.ELSEWHERE if elsewhere else RunState.RUNNING
    words = {0: RunState.DONE, 3: RunState.DONE, 6: RunState.HALTED, 130: RunState.INTERRUPTED}
    return words.get(exit_code, RunState.FAILED)
