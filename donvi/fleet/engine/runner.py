"""Runs one stack after the other, or several at once, with everything costly already running."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from donvi.errors import EngineError
from donvi.fleet.engine.hosts import Host, HostError
from donvi.fleet.engine.project import read_project
from donvi.fleet.engine.quiet import quiet_home
from donvi.fleet.engine_process import POLICY_PACK, EngineRun
from donvi.fleet.failures import failure_of
from donvi.fleet.model import Options, Status
from donvi.fleet.stacks import REPOSITORY, Stacks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from donvi.fleet.engine.hosts import Seat
    from donvi.fleet.engine.project import Project
    from donvi.fleet.model import Operation, Result, Step

log = logging.getLogger(__name__)
PACK = "pulumi-analyzer-donvi"
ANALYSER_PORT = "DONVI_ANALYSER_PORT"
PROVIDERS = "PULUMI_DEBUG_PROVIDERS"
LANGUAGES = "PULUMI_DEBUG_LANGUAGES"
WARM = "stacks.warm"
"""Imported beforehand, and asked to warm up, where the project has it."""


@dataclass
class Places:
    """What one run found running: variables for its engine, and the seats to give back."""

    variables: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[Host, Seat]] = field(default_factory=list)
    warm: tuple[Host, Seat] | None = None


class FastRunner(Stacks):
    """A :class:`~donvi.fleet.model.StackRunner` for many stacks; a context manager that ends all it started.

    What can't be attached (another policy pack, a plugin that serves one engine only) the engine starts itself, as by
    hand.

    :param environ: what ``donvi lab env`` prints, PATH included.
    :param repository: folder of ``Pulumi.yaml``.
    """

    def __init__(self, environ: Mapping[str, str], *, repository: Path = REPOSITORY) -> None:
        super().__init__(environ, repository=repository)
        self._hosts: dict[str, Host] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process that was started here."""
        with self._lock:
            hosts, self._hosts = list(self._hosts.values()), {}
        threads = [threading.Thread(target=host.stop) for host in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @cached_property
    def project(self) -> Project:
        """What ``Pulumi.yaml`` says."""
        return read_project(self.repository, self.environ)

    @cached_property
    def _quiet(self) -> dict[str, str]:
        return quiet_home(self.environ)

    @property
    def pids(self) -> dict[str, int]:
        """Processes that serve all stacks, by name: ``program``, ``policy pack``, ``provider donvi`` and so on."""
        return {name: pid for name, host in self._hosts.items() if (pid := host.pid) is not None}

    def run(
        self,
        operation: Operation,
        stack: str,
        options: Options | None = None,
        *,
        on_step: Callable[[Step], None] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Result:
        """Run to the end and say how it ended.

        :param on_step: called in this thread for every step.
        :param cancelled: once set, the engine is asked to end as by Ctrl-C.
        :raises UsageError: there is no ``pulumi``, or no project.
        """
        chosen = options or Options()
        with ExitStack() as stack_of_deaths:
            deaths: list[str] = []
            places = self._places(chosen)
            stack_of_deaths.callback(self._give_back, places, deaths)
            environ = {**self.environ, **places.variables}
            run = EngineRun(operation, stack, chosen, environ, self.repository, on_start=_guard(places))
            result = run.run(on_step=on_step, cancelled=cancelled)
        return _explained(result, deaths)

    def _places(self, options: Options) -> Places:
        """Take a seat at everything that can be shared."""
        places = Places(dict(self._quiet))
        for host, announce in self._shared(options):
            try:
                seat = host.open()
            except HostError as error:
                log.info("%s; the engine starts it itself", error.message)
                continue
            places.taken.append((host, seat))
            announce(places, seat)
            if host.name == "program":
                places.warm = (host, seat)
        return places

    def _shared(self, options: Options) -> list[tuple[Host, Callable[[Places, Seat], None]]]:
        found: list[tuple[Host, Callable[[Places, Seat], None]]] = []
        pack = self._pack() if options.policy else None
        foreign = pack is None and options.policy and Path(self.environ.get(POLICY_PACK) or os.devnull).is_dir()
        if self.project.same_interpreter and not foreign:  # a foreign pack's folder needs the real language host
            found.append((self._host("program", self._program()), _language))
        if pack is not None:
            found.append((self._host("policy pack", [str(pack)]), _analyser(pack)))
        for name, executable in self.project.plugins.items():
            found.append((self._host(f"provider {name}", [str(executable)]), _provider(name)))
        return found

    def _pack(self) -> Path | None:
        """Return the executable of our policy pack, if that is the one that judges."""
        given = self.environ.get(POLICY_PACK, "")
        if not given:
            return None
        path = (self.repository / given).resolve()
        pack = path / PACK if path.is_dir() else path
        return pack if pack.name == PACK and pack.is_file() else None

    def _program(self) -> list[str]:
        own = (self.repository / f"{WARM.replace('.', '/')}.py").is_file()
        return [sys.executable, "-m", "donvi.fleet.engine.warm", *([WARM] if own else [])]

    def _host(self, name: str, command: list[str]) -> Host:
        with self._lock:
            if name not in self._hosts:
                self._hosts[name] = Host(name, command, self.environ, self.repository)
            return self._hosts[name]

    def _give_back(self, places: Places, deaths: list[str]) -> None:
        for host, seat in places.taken:
            died = host.close(seat)
            if died:
                deaths.append(f"the {host.name}'s process died ({died})")


def _language(places: Places, seat: Seat) -> None:
    places.variables[LANGUAGES] = f"python:{seat.port}"


def _analyser(pack: Path) -> Callable[[Places, Seat], None]:
    def announce(places: Places, seat: Seat) -> None:
        places.variables |= {ANALYSER_PORT: str(seat.port), POLICY_PACK: str(pack)}

    return announce


def _provider(name: str) -> Callable[[Places, Seat], None]:
    def announce(places: Places, seat: Seat) -> None:
        others = places.variables.get(PROVIDERS)
        places.variables[PROVIDERS] = ",".join(filter(None, [others, f"{name}:{seat.port}"]))

    return announce


def _guard(places: Places) -> Callable[[int], None] | None:
    if places.warm is None:
        return None
    host, seat = places.warm

    def guard(engine: int) -> None:
        try:
            host.guard(seat, engine)
        except HostError as error:
            log.info("%s; nobody ends the engine if the driver dies", error.message)

    return guard


def _explained(result: Result, deaths: list[str]) -> Result:
    """Put first what the engine can't know: that a process it was attached to died."""
    if not deaths or result.failure is None or result.status is not Status.FAILED:
        return result
    what, said = "; ".join(deaths), result.failure.message
    error = EngineError(
        f"{result.operation.value} of stack {result.stack} failed: {what} while it ran. The engine says: {said}",
        hint=f"run it again: the next run of {result.stack} finds what had begun and finishes it",
    )
    return msgspec.structs.replace(result, failure=failure_of(error))
