"""What a run's folder holds: its head, and the lines of its journal. Pure values, JSON both ways."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  # msgspec reads the annotations
from enum import StrEnum

import msgspec

from donvi.fleet.model import Failure, Operation  # noqa: TC001
from donvi.fleet.owners import Owner  # noqa: TC001
from donvi.fleet.select import Selection, Target  # noqa: TC001


class State(StrEnum):
    """Where a stack stands in a run."""

    UNSTARTED = "unstarted"
    RUNNING = "running"
    DONE = "done"
    """It ended well and something changed, or in a preview would."""
    UNCHANGED = "unchanged"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Nothing was run and nothing needs to be; the record says why."""
    INTERRUPTED = "interrupted"
    """It was cancelled, or its driver died in the middle."""


UNFINISHED = frozenset({State.UNSTARTED, State.RUNNING, State.FAILED, State.INTERRUPTED})
"""States with which ``resume`` goes on."""


class Settings(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a run is to be done; what `resume` needs to go on the same way.

    :param max_failures: more failed stacks than this end the run; ``None`` for no limit.
    :param max_deletes: more deletions than this, over all stacks, must be confirmed; ``None`` for no limit.
    :param waves: the stacks of each wave in order; empty when all are one.
    :param bake: seconds between the end of a wave and its probes.
    :param probes: how many units of a wave are asked at its gate at most.
    :param scheduler: address of the dask scheduler whose workers run the stacks; empty: this machine does.
    """

    parallel: int = 2
    max_failures: int | None = 0
    max_deletes: int | None = None
    refresh: bool = False
    policy: bool = True
    receipts: bool = True
    gates: bool = True
    bake: float = 0.0
    probes: int = 15
    approved: str = ""
    scheduler: str = ""
    waves: tuple[tuple[str, ...], ...] = ()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is: written once, before anything happens.

    :param arguments: the command line without secrets.
    :param revision: git revision of the repository, ``+`` behind it where files differ from it; empty without git.
    """

    id: str
    operation: Operation
    begun: datetime
    owner: Owner
    arguments: tuple[str, ...]
    revision: str
    selection: Selection
    settings: Settings
    targets: tuple[Target, ...]


class Begun(msgspec.Struct, frozen=True, tag="begun", tag_field="is"):
    """A stack begins; written before anything of it happens."""

    stack: str
    at: datetime


class Touched(msgspec.Struct, frozen=True, tag="step", tag_field="is"):
    """A resource was touched, or couldn't be; ``state`` is ``done`` or ``failed``."""

    stack: str
    op: str
    kind: str
    name: str
    state: str
    at: datetime


class Ended(msgspec.Struct, frozen=True, tag="ended", tag_field="is", omit_defaults=True):
    """A stack ended.

    :param why: for a skipped stack; for another, what is worth knowing (a healed lock).
    """

    stack: str
    state: State
    at: datetime
    counts: dict[str, int] = {}
    seconds: float = 0.0
    failure: Failure | None = None
    why: str = ""


class WaveBegun(msgspec.Struct, frozen=True, tag="wave", tag_field="is"):
    """A wave begins; waves count from 1."""

    wave: int
    at: datetime


class Unhealthy(msgspec.Struct, frozen=True):
    """A unit that a gate didn't find open, and the first reasons."""

    code: str
    reason: str


class Judged(msgspec.Struct, frozen=True, tag="gate", tag_field="is"):
    """A gate decided about the wave before it.

    :param asked: units that were probed.
    """

    wave: int
    asked: tuple[str, ...]
    unhealthy: tuple[Unhealthy, ...]
    at: datetime
    why: str = ""
    passed: bool = False


class Resumed(msgspec.Struct, frozen=True, tag="resumed", tag_field="is"):
    """Another process drives from here on."""

    owner: Owner
    at: datetime


class Closed(msgspec.Struct, frozen=True, tag="closed", tag_field="is"):
    """The driver ended the run by itself; ``exit_code`` is the command's."""

    exit_code: int
    why: str
    at: datetime


Record = Begun | Touched | Ended | WaveBegun | Judged | Resumed | Closed
