"""One run of the official CLI with its events read as they come; both runners end here."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from donvi.errors import UsageError
from donvi.fleet import failures
from donvi.fleet.events import Events
from donvi.fleet.model import Operation, Result, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from donvi.fleet.model import Options, Step

POLL_SECONDS = 0.1
TAIL_LINES = 10
POLICY_PACK = "PULUMI_OPTION_POLICY_PACK"
REMEDY = 'run `eval "$(uv run donvi lab env)"` first'


@dataclass(frozen=True)
class EngineRun:
    """What is run, where, and for which stack.

    :param more: further arguments, e.g. ``--client=…``.
    """

    operation: Operation
    stack: str
    options: Options
    environ: Mapping[str, str]
    folder: Path
    more: Sequence[str] = ()

    def arguments(self) -> list[str]:
        """Return the command line."""
        line = ["pulumi", self.operation.value, "--stack", self.stack, "--json", "--non-interactive", "--color=never"]
        if self.operation is not Operation.PREVIEW:
            only = self.options.preview_only and self.operation in {Operation.REFRESH, Operation.DESTROY}
            line += ["--preview-only"] if only else ["--yes", "--skip-preview"]
        if self.options.refresh and self.operation in {Operation.UP, Operation.PREVIEW}:
            line.append("--refresh")
        return [*line, *self.more]

    def variables(self) -> dict[str, str]:
        """Return the engine's environment."""
        names = {**self.environ, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
        if not self.options.policy:
            names.pop(POLICY_PACK, None)
        return names

    def run(self, *, on_step: Callable[[Step], None] | None = None, cancelled: threading.Event | None = None) -> Result:
        """Run to the end.

        :raises UsageError: there is no ``pulumi``.
        """
        begun, events, tail = time.monotonic(), Events(self.stack, self.operation), deque[str](maxlen=TAIL_LINES)
        with self._start() as process, _Watch(process, cancelled) as watch:
            try:
                for event in _events(process, tail):
                    step = events.read(event)
                    if step is not None and on_step is not None:
                        on_step(step)
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

    def _start(self) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                self.arguments(),
                cwd=self.folder,
                env=self.variables(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone; we pass it on once
            )
        except FileNotFoundError:
            raise UsageError("pulumi is not on PATH", hint=REMEDY) from None


class _Watch:
    """Passes a wish to end on to the engine, once.

    :ivar fired: it did.
    """

    def __init__(self, process: subprocess.Popen[str], cancelled: threading.Event | None) -> None:
        self.fired = False
        self._process = process
        self._cancelled = cancelled
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._wait, name="cancel-watch", daemon=True)

    def __enter__(self) -> Self:
        if self._cancelled is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._cancelled is not None:
            self._thread.join()

    def _wait(self) -> None:
        assert self._cancelled is not None  # noqa: S101 - started only then
        while not self._over.is_set():
            if self._cancelled.wait(POLL_SECONDS):
                self.fired = True
                self._process.send_signal(signal.SIGINT)
                return


def interrupt(process: subprocess.Popen[str]) -> None:
    """End the engine as Ctrl-C would: it finishes what runs, records it and gives up the lock."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait()


def _events(process: subprocess.Popen[str], tail: deque[str]) -> Iterator[dict[str, Any]]:
    """Yield the engine's events; lines that are none are kept for an error's sake."""
    assert process.stdout is not None  # noqa: S101 - started with a pipe
    for line in process.stdout:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict):
            yield event
        elif line.strip():
            tail.append(line.strip())
