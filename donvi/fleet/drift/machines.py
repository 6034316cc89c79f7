"""Machines looked at together: one Ansible check run per playbook over all of them.

A handler builds the run of its own machine. On the first round it is stopped there and the run is noted; then the
noted ones go as one; on the second round each handler gets its machine's part. What a run is told, and what its result
means, stays the handler's business.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from donvi.backends.machines.batch import BatchedSsh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from donvi.backends.machines import PlaybookResult, PlaybookRun
    from donvi.provider.services import Services

SECONDS_EACH = 30.0
"""What one machine more may add to the time of a run; several are checked at once."""


class NotedError(Exception):
    """A run was noted; there is no result yet."""


class LookingSsh(BatchedSsh):
    """Machines by SSH, if this look may ask them.

    :param allowed: if not, it is as if Vault signed no key.
    """

    def __init__(self, *given: Any, allowed: bool) -> None:
        super().__init__(*given)
        self._allowed = allowed

    def permitted(self, machine: str) -> bool:
        """Say whether machines may be asked at all."""
        return self._allowed and super().permitted(machine)


class Plays:
    """Runs of playbooks that are collected and then made together."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._noted: list[PlaybookRun] = []
        self._done: list[tuple[PlaybookRun, PlaybookResult]] = []
        self.collecting = False

    def play(self, spec: PlaybookRun, *, check: bool, timeout: float) -> PlaybookResult:
        """Return a run's result.

        :raises NotedError: runs are being collected.
        """
        if not check:
            raise NotImplementedError
        with self._lock:
            if self.collecting:
                self._noted.append(spec)
                raise NotedError
            known = next((result for run, result in self._done if run == spec), None)
        return known or self._run(spec, timeout)

    def run_noted(self, timeout: float) -> None:
        """Make the noted runs, those of one playbook as one; playbooks run side by side."""
        noted, self._noted, self.collecting = self._noted, [], False
        playbooks = sorted({spec.playbook for spec in noted})
        parts = [[spec for spec in noted if spec.playbook == playbook] for playbook in playbooks]
        with ThreadPoolExecutor(max(1, len(parts)), thread_name_prefix="playbook") as pool:
            for done in pool.map(lambda part: self._run_together(part, timeout), parts):
                self._done += done

    def _run_together(self, specs: Sequence[PlaybookRun], timeout: float) -> list[tuple[PlaybookRun, PlaybookResult]]:
        joined, names = together(specs)
        found = self._run(joined, timeout + SECONDS_EACH * len(specs))
        done = []
        for spec, name in zip(specs, names, strict=True):
            machine = spec.machines[0]
            done.append((spec, replace(found, hosts={machine: replace(found.hosts[name], machine=machine)})))
        return done

    def _run(self, spec: PlaybookRun, timeout: float) -> PlaybookResult:
        from donvi.backends.machines import run_playbook

        services = self._services
        return run_playbook(spec, ssh=services.ssh, check=True, cancelled=services.cancelled.is_set, timeout=timeout)


def together(specs: Sequence[PlaybookRun]) -> tuple[PlaybookRun, list[str]]:
    """Return one run for several of one playbook and of one machine each, and what each machine is called in it."""
    names, places = [], {}
    for number, spec in enumerate(specs):
        (machine,) = spec.machines
        name = machine if machine not in names else f"{machine}--{number}"
        names.append(name)
        places[name] = machine
    each = {name: spec.variables for name, spec in zip(names, specs, strict=True)}
    return replace(specs[0], machines=tuple(names), variables={}, each=each, places=places), names
