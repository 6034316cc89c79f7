"""Shows machines coming up: a live table on a terminal, one line per change elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.control import Display

STYLES = {"running": "green", "starting": "yellow", "booting": "yellow", "clearing": "yellow", "stopping": "yellow"}


class PlainDisplay:
    """One line per change, with the seconds since the start."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream, self._begin, self._lock = stream or sys.stderr, time.monotonic(), threading.Lock()

    def machine(self, name: str, state: str) -> None:
        """Say that a machine came to a state."""
        self.note(f"{name}: {state}")

    def note(self, text: str) -> None:
        """Say something about the whole."""
        with self._lock:
            print(f"{time.monotonic() - self._begin:6.1f} s  {text}", file=self._stream, flush=True)


class LiveDisplay:
    """A table of machines that is redrawn while they change; Rich asks for it ten times a second."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._since: dict[str, tuple[str, float]] = {}
        self._note = ""

    def machine(self, name: str, state: str) -> None:
        """Show that a machine came to a state."""
        self._since[name] = (state, time.monotonic())

    def note(self, text: str) -> None:
        """Show a line below the table."""
        self._note = text

    def __rich__(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 2))
        for name, (state, since) in sorted(self._since.items()):
            at = f"{since - self._begin:5.1f} s" if state == "running" else f"{time.monotonic() - self._begin:5.1f} s"
            table.add_row(name, Text(state, style=STYLES.get(state, "")), Text(at, style="dim"))
        if self._note:
            table.add_row("", Text(self._note, style="dim"), "")
        return table


@contextmanager
def display() -> Iterator[Display]:
    """Return the display that fits standard error, which carries all progress."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainDisplay()
        return
    shown = LiveDisplay()
    with Live(shown, console=console, refresh_per_second=10):
        yield shown
