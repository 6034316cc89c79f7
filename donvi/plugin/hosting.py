"""One plugin process for many engines: started beforehand, it gives each engine a port and a servicer of its own.

Nothing of one engine can so reach another one: its address, its configuration and its Cancel meet its servicer only.
What is costly (the interpreter, imports, connections) is shared.

Whoever starts a plugin with :data:`~donvi.plugin.HOST_VARIABLE` in its environment, and a pipe to standard input, asks
line by line and is answered line by line, in JSON: ``open`` → ``{"port": 40123}``, ``close 40123`` → ``{}``. The end of
standard input is the end of the process: it finishes what runs, for as long as :data:`~donvi.plugin.GRACE_SECONDS`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO

import grpc  # type: ignore[import-untyped]

from donvi.plugin import GRACE_SECONDS, HOST_VARIABLE, process

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from donvi.plugin.process import Closable

ENDING: Final = "seat-end"


def wanted(environ: MutableMapping[str, str]) -> bool:
    """Say whether this process is to serve many engines; forgets the wish, so that no program started here has it."""
    return bool(environ.pop(HOST_VARIABLE, ""))


@dataclass
class Seat:
    """One engine's part of this process."""

    port: int
    server: Any
    servicer: Closable
    threads: ThreadPoolExecutor
    cancelled: threading.Event

    def end(self) -> None:
        """Begin nothing new, finish what runs, close."""
        self.cancelled.set()
        self.server.stop(GRACE_SECONDS).wait()
        self.servicer.close()
        self.threads.shutdown(wait=False)


class Hosting:
    """Opens and closes seats.

    :param make: makes the servicer of one engine; the event is set when that engine's run is cancelled or given up.
    :param add: gives a server the servicer's methods.
    """

    def __init__(self, make: Callable[[threading.Event], Closable], add: Callable[[Any, Any], None]) -> None:
        self._make = make
        self._add = add
        self._seats: dict[int, Seat] = {}

    def open(self) -> int:
        """Serve one engine more; returns its port on loopback."""
        cancelled, threads = threading.Event(), ThreadPoolExecutor(process.THREADS, thread_name_prefix="call")
        servicer, server = self._make(cancelled), grpc.server(threads, options=process.OPTIONS)
        self._add(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self._seats[port] = Seat(port, server, servicer, threads, cancelled)
        return int(port)

    def close(self, port: int) -> None:
        """Forget an engine that is gone; what it had begun here is finished, but the asker doesn't wait for that."""
        seat = self._seats.pop(port, None)
        if seat is not None:
            threading.Thread(target=seat.end, name=ENDING, daemon=True).start()

    def end(self) -> None:
        """Close all seats and wait until what runs has ended."""
        for port in list(self._seats):
            self.close(port)
        for thread in threading.enumerate():
            if thread.name == ENDING:
                thread.join()


def run(
    make: Callable[[threading.Event], Closable],
    *,
    add: Callable[[Any, Any], None],
    close: Callable[[], None] = lambda: None,
) -> None:
    """Serve engines until standard input ends, a signal comes, or whoever started this process dies.

    :param close: closes what the servicers share.
    """
    answers = own_stdout()
    hosting, ended = Hosting(make, add), threading.Event()
    process.end_on_signal(ended)
    process.end_with_parent(ended)
    threading.Thread(target=_answer, args=(hosting, sys.stdin, answers, ended), name="commands", daemon=True).start()
    ended.wait()
    hosting.end()
    close()


def own_stdout() -> TextIO:
    """Return standard output for the answers; whatever else is printed goes to standard error."""
    sys.stdout.flush()
    own = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    return own


def _answer(hosting: Hosting, commands: TextIO, answers: TextIO, ended: threading.Event) -> None:
    try:
        for line in commands:
            verb, _, port = line.strip().partition(" ")
            answer: dict[str, int] = {}
            if verb == "open":
                answer = {"port": hosting.open()}
            elif verb == "close":
                hosting.close(int(port))
            answers.write(f"{json.dumps(answer)}\n")
            answers.flush()
    finally:
        ended.set()
