"""Runs named stages one after another, shows each with its time, and keeps what they cost.

A stage is a function of a :class:`Progress`; :func:`lab_stages` are those that bring the servers up, and
``donvi lab open`` appends the ones that need them.
"""

from __future__ import annotations

import resource
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TextIO

import msgspec
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lab import control, lock, playbook
from lab.background import Background
from lab.files import place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lab.settings import LabSettings

SIGN_OF_LIFE = 15.0  # seconds


class Cost(msgspec.Struct, frozen=True):
    """What a stage took: seconds of wall clock, and of processor time in this process and its finished children."""

    stage: str
    wall: float
    cpu: float
    result: str


class Progress(Protocol):
    """Where a stage tells what it is at; also the machines' :class:`lab.control.Display`."""

    def note(self, text: str) -> None:
        """Show what the stage is doing."""

    def machine(self, name: str, state: str) -> None:
        """Show that a machine came to a state."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a run; ``work`` returns a short result to show behind its name."""

    title: str
    work: Callable[[Progress], str]


class Steps:
    """Runs stages and shows them; used by :func:`run`."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self.costs: list[Cost] = []
        self._current = ""
        self._note = ""
        self._begin = self._stage_begin = self._last_line = time.monotonic()
        self._spinner = Spinner("dots")
        self._console = Console(file=self._stream)

    def note(self, text: str) -> None:
        """Show what the stage is doing: redrawn on a terminal; elsewhere a line now and then, as a sign of life."""
        self._note = text
        if time.monotonic() - self._last_line > SIGN_OF_LIFE:
            self._line(f"{self._clock()}    {text}")

    def machine(self, name: str, state: str) -> None:
        """Show that a machine came to a state."""
        self.note(f"{name}: {state}")

    def carry_out(self, stages: Sequence[Stage]) -> None:
        """Run the stages in order; the first error ends the run, and what was done is kept in ``costs``."""
        with self._shown():
            for stage in stages:
                self._current, self._note, self._stage_begin = stage.title, "", time.monotonic()
                self._line(f"{self._clock()}  {stage.title} …")
                before = _cpu()
                try:
                    result = stage.work(self)
                except BaseException:
                    self._line(f"{self._clock()}  {stage.title}: failed")
                    raise
                wall, cpu = time.monotonic() - self._stage_begin, _cpu() - before
                cost = Cost(stage.title, round(wall, 2), round(cpu, 2), result)
                self.costs.append(cost)
                self._line(f"{self._clock()}  {stage.title}: {result or 'done'} ({cost.wall:.1f} s)")
            self._current = ""

    def __rich__(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 1))
        for _ in range(4):
            table.add_column(no_wrap=True, overflow="ellipsis")
        for cost in self.costs:
            elapsed = Text(f"{cost.wall:6.1f} s", style="dim")
            table.add_row(Text("✓", style="green"), cost.stage, Text(cost.result), elapsed)
        if self._current:
            elapsed = Text(f"{time.monotonic() - self._stage_begin:6.1f} s", style="dim")
            table.add_row(self._spinner, self._current, Text(self._note, style="dim"), elapsed)
        return table

    @contextmanager
    def _shown(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        with Live(self, console=self._console, refresh_per_second=10):
            yield

    def _clock(self) -> str:
        return f"{time.monotonic() - self._begin:6.1f} s"

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        if not self._console.is_terminal:
            print(text, file=self._stream, flush=True)


def run(settings: LabSettings, stages: Sequence[Stage], purpose: str) -> list[Cost]:
    """Hold the lab, run the stages, keep their costs in ``last-run.json``; return the costs.

    :raises LockedError: another run holds the lab.
    :raises DonviError: a stage failed.
    """
    steps = Steps()
    with lock.hold(settings, purpose):
        try:
            steps.carry_out(stages)
        finally:
            place(settings.home / "last-run.json", msgspec.json.format(msgspec.json.encode(steps.costs)) + b"\n")
    return steps.costs


def lab_stages(settings: LabSettings, meanwhile: Sequence[Stage] = ()) -> list[Stage]:
    """Return the stages from nothing to configured servers, ready tools and a cluster.

    :param meanwhile: what needs servers and tools and no cluster; the cluster's machine is configured beside it.
    """
    background = Background(settings)
    return [
        Stage("Tools", background.begin),
        Stage("Machines", lambda progress: _machines(settings, progress)),
        Stage("Data centre", lambda progress: _datacentre(settings, background, progress)),
        Stage("Tools ready", background.engine),
        *meanwhile,
        Stage("Cluster", background.cluster),
    ]


def _machines(settings: LabSettings, progress: Progress) -> str:
    return f"{len(control.up(settings, progress).machines)} running"


def _datacentre(settings: LabSettings, background: Background, progress: Progress) -> str:
    background.vault(progress)
    changed = playbook.run(settings, "datacentre", progress.note)
    background.begin_cluster()
    return f"{changed} changes"


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
