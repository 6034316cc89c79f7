"""``python -m donvi.fleet.engine.warm``: an interpreter with everything imported that forks a child for each stack.

The SDK keeps the state of a run in module globals, so that two programs in one process would share it; a child of its
own shares nothing that is written. This process itself has one thread and opens no connection, or its children would
inherit locks that nobody releases.

It is asked like any host (``donvi/plugin/hosting.py``): ``open`` → ``{"port": …, "pid": …}``, ``close PID`` →
``{"died": "…"}``, how the child had died if it had. ``guard PID`` names an engine to be ended if the driver dies: it
gets an interrupt, finishes what runs, records it and gives up its lock.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import linecache
import os
import select
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from donvi.plugin.hosting import own_stdout, wanted

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE_SECONDS = 45.0
"""How long an engine may take to end after an interrupt: longer than a provider, which it waits for."""
SET_DEATH_SIGNAL = 1
PAYS_FROM = 4
"""Which child a rehearsal comes before: it costs as much as one program and saves two thirds of each later one."""
WARM = "warm"
"""Function of a preloaded module that does what every program would have to do, if it has one."""


class Nursery:
    """Forks children and knows the engines that are to be ended.

    :param answers: descriptor of the answers' pipe.
    """

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._children: set[int] = set()
        self._engines: dict[int, int] = {}
        self._libc = ctypes.CDLL(None)
        self._opened = 0
        self._rehearsals: list[Callable[[], None]] = []
        self._serve: Callable[[Callable[[int], None]], None]

    def load(self, modules: list[str]) -> None:
        """Import what programs need; a module that can't be imported is left to the programs to complain about."""
        importlib.import_module("pulumi").log.debug = _silent  # the SDK sends some six lines for each resource
        program = importlib.import_module("donvi.fleet.engine.program")
        self._serve = partial(program.serve, program.compiled(program.official()))
        found = [importlib.import_module(name) for name in modules]
        self._rehearsals = [getattr(module, WARM) for module in found if hasattr(module, WARM)]
        linecache.checkcache = _silent  # the SDK asks for a trace at each resource; no file changes under a run
        gc.collect()
        gc.freeze()

    def open(self) -> None:
        """Fork a child; it answers itself once it serves."""
        self._opened += 1
        if self._opened == PAYS_FROM:
            self._rehearse()
        parent = os.getpid()
        child = os.fork()
        if child:
            self._children.add(child)
            return
        try:
            self._live(parent)
        except BaseException as error:  # noqa: BLE001 - reported, and then this process ends
            self._say({"error": f"{type(error).__name__}: {error}"})
        finally:
            os._exit(1)

    def _rehearse(self) -> None:
        gc.unfreeze()
        for rehearse in self._rehearsals:
            rehearse()
        gc.collect()
        gc.freeze()

    def close(self, child: int) -> None:
        """End a child; answers how it had ended before."""
        if child not in self._children:
            return self._say({})
        self._children.discard(child)
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return self._say({"died": _death(status)})
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return self._say({})

    def guard(self, engine: int) -> None:
        """Remember an engine; forget those that ended."""
        self._engines = {pid: watch for pid, watch in self._engines.items() if not _over(watch)}
        with contextlib.suppress(ProcessLookupError):
            self._engines[engine] = os.pidfd_open(engine)
        self._say({})

    def end(self) -> None:
        """Interrupt the engines that still run, wait for them, and end the children."""
        running = [watch for watch in self._engines.values() if not _over(watch)]
        for watch in running:
            signal.pidfd_send_signal(watch, signal.SIGINT)
        until = time.monotonic() + GRACE_SECONDS
        while running and time.monotonic() < until:
            select.select(running, [], [], until - time.monotonic())
            running = [watch for watch in running if not _over(watch)]
        for watch in running:
            signal.pidfd_send_signal(watch, signal.SIGKILL)
        for child in self._children:
            os.kill(child, signal.SIGKILL)

    def _live(self, parent: int) -> None:
        self._libc.prctl(SET_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            return
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        for watch in self._engines.values():
            os.close(watch)
        gc.disable()  # a child lives for seconds; collecting would copy the shared pages

        def announce(port: int) -> None:
            self._say({"port": port, "pid": os.getpid()})
            os.close(self._answers)

        self._serve(announce)

    def _say(self, answer: dict[str, object]) -> None:
        os.write(self._answers, f"{json.dumps(answer)}\n".encode())


def _silent(*_arguments: object, **_more: object) -> None:
    """Say nothing."""


def _death(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _over(watch: int) -> bool:
    """Whether a process has ended; a descriptor is closed then."""
    if not select.select([watch], [], [], 0)[0]:
        return False
    os.close(watch)
    return True


def main(modules: list[str]) -> None:
    """Answer until standard input ends."""
    wanted(os.environ)
    answers = own_stdout()
    nursery = Nursery(answers.fileno())
    nursery.load(modules)
    with open(0, "rb", buffering=0, closefd=False) as commands:
        while line := commands.readline():
            verb, _, number = line.decode().strip().partition(" ")
            if verb == "open":
                nursery.open()
            elif verb == "close":
                nursery.close(int(number))
            elif verb == "guard":
                nursery.guard(int(number))
    nursery.end()


if __name__ == "__main__":
    main(sys.argv[1:])
