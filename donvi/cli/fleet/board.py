"""What is seen while a run goes on: a live board on a terminal, one line per finished stack elsewhere.

On standard error: standard output belongs to the result.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from donvi.fleet.model import QUIET
from donvi.fleet.records import State
from donvi.fleet.work import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType
    from rich.live import Live

    from donvi.fleet.model import Step
    from donvi.fleet.records import Ended
    from donvi.fleet.select import Target

STYLES = {
    State.DONE: "green",
    State.UNCHANGED: "dim",
    State.SKIPPED: "dim",
    State.FAILED: "bold red",
    State.INTERRUPTED: "yellow",
    State.RUNNING: "cyan",
    State.UNSTARTED: "dim",
}
SHOWN_AT_ONCE = 12
WIDTH = 120


class Lines(Listener):
    """A line per finished stack and per decision; for logs."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._total = 0
        self._done = 0
        self._waited = ""

    def phase(self, name: str, total: int) -> None:
        """Say what begins."""
        with self._lock:
            self._total, self._done = total, 0
        self._print(f"{name}: {total}", "bold")

    def ended(self, target: Target, ended: Ended) -> None:
        """Say how a stack ended."""
        with self._lock:
            self._done += 1
            count = f"{self._done}/{self._total}"
        self._print(f"{count} {ended_line(target.stack, target.name, ended)}", STYLES[ended.state])

    def note(self, text: str) -> None:
        """Say it."""
        self._print(text, "")

    def asked(self, text: str) -> None:
        """Say what a unit answered."""
        with self._lock:
            self._done += 1
            count = f"{self._done}/{self._total}"
        self._print(f"{count} {text}", "")

    def waiting(self, text: str, seconds: float) -> None:
        """Say once that the run waits."""
        if text != self._waited:
            self._waited = text
            self._print(f"{text}: {seconds:.0f} s", "")

    def left(self) -> None:
        """Say that the driver leaves at once; nothing may be waited for here."""
        sys.stderr.write("left at once; `donvi resume` goes on and heals what was under way\n")

    def _print(self, text: str, style: str) -> None:
        self._out.print(text, style=style, soft_wrap=True)


class Board(Lines):
    """A board that stays at the bottom of a terminal: what runs, how far; finished stacks go up as lines.

    :ivar live: what draws it; set by whoever shows the board.
    """

    live: Live

    def __init__(self, out: Console) -> None:
        super().__init__(out)
        self._name = ""
        self._running: dict[str, tuple[Target, float, str]] = {}
        self._failed = 0
        self._wait = ""

    def phase(self, name: str, total: int) -> None:
        """Begin a new bar."""
        with self._lock:
            self._name, self._total, self._done, self._wait = name, total, 0, ""

    def begun(self, target: Target) -> None:
        """Show a stack."""
        with self._lock:
            self._running[target.stack] = (target, time.monotonic(), "")

    def step(self, step: Step) -> None:
        """Show what a stack is at."""
        if step.op in QUIET and step.state != "failed":
            return
        with self._lock:
            if step.stack in self._running:
                target, since, _ = self._running[step.stack]
                self._running[step.stack] = (target, since, f"{step.op} {step.name} {step.state}")

    def ended(self, target: Target, ended: Ended) -> None:
        """Take the stack off the board; only what changed or failed leaves a line."""
        with self._lock:
            self._running.pop(target.stack, None)
            self._done += 1
            self._failed += ended.state is State.FAILED
        if ended.state not in {State.UNCHANGED, State.SKIPPED} or ended.why:
            self._print(ended_line(target.stack, target.name, ended), STYLES[ended.state])

    def waiting(self, text: str, seconds: float) -> None:
        """Count down."""
        self._wait = f"{text}: {seconds:.0f} s"

    def left(self) -> None:
        """Give the cursor back as well."""
        sys.stderr.write("\x1b[?25h\n")
        super().left()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the board away while somebody is asked."""
        self.live.stop()
        try:
            yield
        finally:
            self.live.start()

    def __rich__(self) -> RenderableType:
        """Draw the board as it is now."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            running, done, total = list(self._running.values()), self._done, self._total
            failed, name, wait = self._failed, self._name, self._wait
        head = Table.grid(padding=(0, 1))
        count = f"{done}/{total}" + (f", {failed} failed" if failed else "")
        head.add_row(Text(name, style="bold"), ProgressBar(max(total, 1), done, width=30), count, Text(wait, "yellow"))
        rows = Table.grid(padding=(0, 1))
        for target, since, what in running[:SHOWN_AT_ONCE]:
            age = f"{time.monotonic() - since:4.0f} s"
            rows.add_row(Text(f"  {target.stack}", style="cyan", no_wrap=True), age, Text(what, "dim", no_wrap=True))
        if len(running) > SHOWN_AT_ONCE:
            rows.add_row(f"  and {len(running) - SHOWN_AT_ONCE} more")
        return Group(head, rows)


def ended_line(stack: str, name: str, ended: Ended) -> str:
    """Return the line that says how a stack ended."""
    what = changes(ended.counts)
    told = f"{stack} {name}".rstrip() + f": {ended.state.value}"
    told += f", {what}" if what and ended.state is State.DONE else ""
    told += f" in {ended.seconds:.1f} s" if ended.state is not State.SKIPPED else ""
    told += f" ({ended.why})" if ended.why else ""
    return told + (f": {ended.failure.message}" if ended.failure else "")


def changes(counts: dict[str, int]) -> str:
    """Return ``3 create, 1 delete``; empty where nothing was touched."""
    return ", ".join(f"{count} {op}" for op, count in sorted(counts.items()) if op not in QUIET and count)


@contextmanager
def board(*, quiet: bool) -> Iterator[Listener]:
    """Show a run for as long as the block runs: nothing when quiet, a board on a terminal, else lines."""
    if quiet:
        yield Listener()
        return
    from rich.console import Console

    terminal = sys.stderr.isatty()
    out = Console(stderr=True, highlight=False, emoji=False, markup=False, width=None if terminal else WIDTH)
    if not terminal:
        yield Lines(out)
        return
    from rich.live import Live

    shown = Board(out)
    shown.live = Live(shown, console=out, refresh_per_second=5, transient=True)
    with shown.live:
        yield shown
