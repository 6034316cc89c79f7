"""One run of the official CLI with its events read as they come; both runners end here."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import msgspec

from donvi.errors import UsageError
from donvi.fleet import failures
from donvi.fleet.events import Events
from donvi.fleet.model import Operation, Result, Status

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from donvi.fleet.model import Options, Step

POLL_SECONDS = 0.03
READ_BYTES = 1 << 20
COLLECT = "400"
"""How far the engine's heap may grow, in percent, before garbage is collected: 45 MB more, a sixth of its time less."""
TAIL_LINES = 10
POLICY_PACK = "PULUMI_OPTION_POLICY_PACK"
REMEDY = 'run `eval "$(uv run donvi lab env)"` first'


@dataclass(frozen=True)
class EngineRun:
    """What is run, where, and for which stack.

    :param on_start: told the engine's pid.
    """

    operation: Operation
    stack: str
    options: Options
    environ: Mapping[str, str]
    folder: Path
    on_start: Callable[[int], None] | None = None

    def arguments(self) -> list[str]:
        """Return the command line."""
        line = ["pulumi", self.operation.value, "--stack", self.stack, "--json", "--non-interactive", "--color=never"]
        if self.operation is not Operation.PREVIEW:
            only = self.options.preview_only and self.operation in {Operation.REFRESH, Operation.DESTROY}
            line += ["--preview-only"] if only else ["--yes", "--skip-preview"]
        if self.options.refresh and self.operation in {Operation.UP, Operation.PREVIEW}:
            line.append("--refresh")
        return line

    def variables(self) -> dict[str, str]:
        """Return the engine's environment."""
        names = {"GOGC": COLLECT, **self.environ, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
        if not self.options.policy:
            names.pop(POLICY_PACK, None)
        return names

    def run(self, *, on_step: Callable[[Step], None] | None = None, cancelled: threading.Event | None = None) -> Result:
        """Run to the end.

        :raises UsageError: there is no ``pulumi``.
        """
        begun, events, tail = time.monotonic(), Events(self.stack, self.operation), deque[str](maxlen=TAIL_LINES)
        with _Output() as output, self._start(output.descriptor) as process:
            try:
                if self.on_start is not None:
                    self.on_start(process.pid)
                with closing(_Watch(process, cancelled)) as watch:
                    for line in output.lines(watch.over):
                        _take(line, events, tail, on_step)
                status = process.wait()
            except BaseException:
                interrupt(process)
                raise
        state, failure = Status.DONE, None
        if watch.fired and status != 0:
            state, failure = Status.CANCELLED, failures.cancelled(self.operation, self.stack)
        elif status != 0:
            state, failure = failures.judge(self.operation, self.stack, status, events.notices, tail)
        return Result(
            stack=self.stack,
            operation=self.operation,
            status=state,
            changes=events.changes,
            counts=events.counts,
            notices=tuple(events.notices),
            failure=failure,
            seconds=time.monotonic() - begun,
        )

    def _start(self, output: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.arguments(),
                cwd=self.folder,
                env=self.variables(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone; we pass it on once
            )
        except FileNotFoundError:
            raise UsageError("pulumi is not on PATH", hint=REMEDY) from None


class _Output:
    """A nameless file in memory that an engine writes to and this process reads behind it.

    A pipe would kill the engine when its reader dies: the next line it writes ends it, before it recorded what it did.

    :ivar descriptor: what the engine gets as its standard output.
    """

    def __enter__(self) -> Self:
        self.descriptor = os.memfd_create("engine-events", os.MFD_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def lines(self, over: Callable[[], bool]) -> Iterator[bytes]:
        """Yield lines as they are written until ``over``, which waits a moment each time, says that no more come."""
        offset, rest, ended = 0, b"", False
        while True:
            found = os.pread(self.descriptor, READ_BYTES, offset)
            offset += len(found)
            *whole, rest = (rest + found).split(b"\n")
            yield from whole
            if not found:
                if ended:
                    break
                ended = over()
        if rest:
            yield rest


class _Watch:
    """Waits for an engine a moment at a time, and passes a wish to end on to it, once.

    :ivar fired: it did.
    """

    def __init__(self, process: subprocess.Popen[bytes], cancelled: threading.Event | None) -> None:
        self.fired = False
        self._process = process
        self._cancelled = cancelled
        self._end = os.pidfd_open(process.pid)

    def over(self) -> bool:
        """Say whether the engine has ended; takes at most :data:`POLL_SECONDS`."""
        if self._cancelled is not None and self._cancelled.is_set() and not self.fired:
            self.fired = True
            self._process.send_signal(signal.SIGINT)
        return bool(select.select([self._end], [], [], POLL_SECONDS)[0])

    def close(self) -> None:
        """Forget the engine."""
        os.close(self._end)


def _take(line: bytes, events: Events, tail: deque[str], on_step: Callable[[Step], None] | None) -> None:
    """Read a line that may be an event; one that is none is kept for an error's sake."""
    try:
        event = msgspec.json.decode(line)
    except msgspec.DecodeError:
        event = None
    if isinstance(event, dict):
        step = events.read(event)
        if step is not None and on_step is not None:
            on_step(step)
    elif text := line.decode(errors="replace").strip():
        tail.append(text)


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """End the engine as Ctrl-C would: it finishes what runs, records it and gives up the lock."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait()
