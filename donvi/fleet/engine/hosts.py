"""Processes that serve many engines, as the driver sees them: started when first needed, replaced when dead."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from donvi.errors import EngineError
from donvi.plugin import GRACE_SECONDS, HOST_VARIABLE
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)
ANSWER_SECONDS = 60.0
"""A start on a busy host takes some seconds, an answer afterwards milliseconds."""
END_SECONDS = GRACE_SECONDS + 10.0
TAIL_LINES = 5


class HostError(EngineError):
    """A host can't be started, doesn't answer, or isn't one; the engine starts that plugin itself then."""


@dataclass(frozen=True)
class Seat:
    """One engine's place in a host.

    :param pid: of the process that serves it alone; 0 where the host itself does.
    """

    port: int
    pid: int
    process: subprocess.Popen[bytes]


class Host:
    """One such process; every method may be called from several threads.

    :param name: what it is, for messages.
    :param command: what starts it.
    """

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self._command = list(command)
        self._environ = {**environ, HOST_VARIABLE: str(os.getpid())}
        self._folder = folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = b""
        self._said: deque[str] = deque(maxlen=TAIL_LINES)
        self._unfit = ""

    @property
    def pid(self) -> int | None:
        """Of the process that runs, if one does."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def open(self) -> Seat:
        """Get a place for one engine.

        :raises HostError: there is none to be had.
        """
        with self._lock:
            if self._unfit:
                raise HostError(self._unfit)
            process = self._running()
            answer = self._ask(process, "open")
            if "port" not in answer:
                raise HostError(f"the {self.name} gives no place: {redact(str(answer.get('error', answer)))}")
            return Seat(answer["port"], answer.get("pid", 0), process)

    def close(self, seat: Seat) -> str:
        """Give a place back; says how whoever served it had died, if it had."""
        with self._lock:
            if seat.process.poll() is None:
                try:
                    return str(self._ask(seat.process, f"close {seat.pid or seat.port}").get("died", ""))
                except HostError:
                    log.warning("the %s ended while a place was given back", self.name)
            return self._death(seat.process)

    def guard(self, seat: Seat, engine: int) -> None:
        """Have an engine ended if this process dies."""
        with self._lock:
            if seat.process.poll() is None:
                self._ask(seat.process, f"guard {engine}")

    def stop(self) -> None:
        """End the process: it finishes what runs."""
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return
            assert process.stdin is not None  # noqa: S101 - started with a pipe
            process.stdin.close()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _drop(process)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        if self._process is not None:
            log.warning("the %s died (%s); another one is started", self.name, self._death(self._process))
            _drop(self._process)
        self._answers = b""
        try:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone
            )
        except OSError as error:
            self._unfit = f"the {self.name} can't be started: {error.strerror}"
            raise HostError(self._unfit) from None
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        return self._process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None  # noqa: S101 - started with a pipe
        with process.stderr as lines:
            for line in lines:
                text = redact(line.decode(errors="replace").strip())
                if text:
                    self._said.append(text)
                    log.warning("%s: %s", self.name, text)

    def _ask(self, process: subprocess.Popen[bytes], command: str) -> dict[str, Any]:
        assert process.stdin is not None  # noqa: S101 - started with a pipe
        try:
            process.stdin.write(f"{command}\n".encode())
            process.stdin.flush()
            answer = json.loads(self._line(process))
        except (OSError, ValueError) as error:
            raise HostError(f"the {self.name} gives no answer: {self._death(process) or error}") from None
        if not isinstance(answer, dict):  # a plugin that knows nothing of hosting prints its port
            process.kill()
            self._unfit = f"the {self.name} serves one engine only"
            raise HostError(self._unfit)
        return answer

    def _line(self, process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdout is not None  # noqa: S101 - started with a pipe
        until = time.monotonic() + ANSWER_SECONDS
        while b"\n" not in self._answers:
            left = until - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                process.kill()
                raise ValueError("it is silent")
            got = os.read(process.stdout.fileno(), 65536)
            if not got:
                process.wait(END_SECONDS)
                raise ValueError("it ended")
            self._answers += got
        line, _, self._answers = self._answers.partition(b"\n")
        return line

    def _death(self, process: subprocess.Popen[bytes]) -> str:
        code = process.poll()
        if code is None:
            return ""
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{how}: {self._said[-1]}" if self._said and code > 0 else how


def _drop(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes of a process that has ended."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                log.debug("a command was not read any more")
