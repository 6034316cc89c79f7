"""What configuring a machine costs beside plain ``ansible-playbook``: seconds and SSH connections per host.

Run it on an idle host with the unit open::

    eval "$(uv run donvi lab env)"
    uv run python -m tests.bench.playbooks 26506 --pairs 7

Both run the same playbook with the same variables on the same machine, which is as it should be already, in turns, so
that a busy host is busy for both. *donvi* is what the provider calls, ``run_playbook`` in a process that runs already;
*plain* is the command, with the repository's ``ansible.cfg`` and the operator's key. Each begins without a connection.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from donvi.backends.machines import PlaybookRun, SshRunner, host_certificate, run_playbook, source, variables
from donvi.backends.vault import VaultClient
from donvi.deployment import parse, text_from_environment
from donvi.provider.handlers.machine import GROUPS, HOST_CERTIFICATE
from donvi.registry import load_city
from donvi.tenancy import describe
from donvi.tenancy.machines import unit_machines
from lab import access
from lab.settings import LabSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from donvi.tenancy.machines import MachineConfiguration

ACCEPTED = "journalctl --unit ssh --grep 'Accepted publickey' --output cat | wc -l"


class Cost(NamedTuple):
    """Seconds by the clock, and of this host's processors, ended child processes included."""

    wall: float
    cpu: float

    @classmethod
    def so_far(cls) -> Cost:
        """Return what this process has cost."""
        times = os.times()
        return cls(times.elapsed, times.user + times.system + times.children_user + times.children_system)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall - other.wall, self.cpu - other.cpu)


class Machine:
    """One machine with what its playbook gets.

    :param folder: for the plain command's files.
    """

    def __init__(self, configuration: MachineConfiguration, unit: str, folder: Path) -> None:
        self.name, self.folder = configuration.machine, folder
        self.deployment = parse(text_from_environment(os.environ))
        self.playbook = source.folder(os.environ) / f"{configuration.playbook}.yml"
        self.group = GROUPS[configuration.playbook]
        files = dict(configuration.files)
        ssh = self._runner()
        certificate = host_certificate(
            self.name,
            configuration.host_certificate_hours,
            ssh=ssh,
            vault=VaultClient.from_env(os.environ),
            now=lambda: datetime.now(UTC),
            check=False,
        )
        ssh.close()
        files[HOST_CERTIFICATE] = certificate.text
        self.variables = {
            "donvi_unit": unit,
            "donvi_files": files,
            "donvi_settings": configuration.settings,
            "donvi_state": "present",
        }

    def _runner(self) -> SshRunner:
        return SshRunner(self.deployment, VaultClient.from_env(os.environ), os.environ["DONVI_KNOWN_HOSTS"])

    def donvi(self) -> Cost:
        """Run it as the provider does."""
        ssh = self._runner()
        begun = Cost.so_far()
        result = run_playbook(
            PlaybookRun(self.playbook, self.group, (self.name,), self.variables), ssh=ssh, check=False
        )
        cost = Cost.so_far() - begun
        ssh.close()
        result.require()
        if result.hosts[self.name].changed:
            sys.exit(f"{self.name} wasn't as it should be; run again")
        return cost

    def plain(self) -> Cost:
        """Run the command."""
        with tempfile.TemporaryDirectory(dir="/dev/shm") as sockets:
            command = self._command(Path(sockets))
            begun = Cost.so_far()
            done = subprocess.run(
                command, cwd=self.playbook.parents[1], capture_output=True, text=True, check=False, env=_environment()
            )
            cost = Cost.so_far() - begun
            for socket in Path(sockets).iterdir():
                subprocess.run(
                    ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "x"], check=False, capture_output=True
                )
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)
        return cost

    def _command(self, sockets: Path) -> list[str]:
        place, options = self.deployment.machine(self.name), access.ssh_options(LabSettings.from_environment())
        host: dict[str, Any] = {
            "ansible_host": place.address,
            "ansible_port": place.port,
            "ansible_user": place.user,
            "ansible_ssh_common_args": shlex.join([*options, "-o", f"ControlPath={sockets}/%C"]),
        }
        inventory, given = self.folder / f"{self.name}.json", self.folder / f"{self.name}.yml"
        inventory.write_text(json.dumps({"all": {"children": {self.group: {"hosts": {self.name: host}}}}}))
        given.write_text(variables.literal(self.variables))
        return ["ansible-playbook", "--diff", "-i", str(inventory), "-e", f"@{given}", str(self.playbook)]

    def connections(self, run: Callable[[], Cost]) -> int:
        """Return how many connections a run makes, by the machine's own log."""
        before = self._accepted()
        run()
        return self._accepted() - before - 1  # the last look itself

    def _accepted(self) -> int:
        command = access.ssh_command(LabSettings.from_environment(), self.name, (ACCEPTED,))
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME")} | {"LANG": "C.UTF-8"}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("unit")
    parser.add_argument("--pairs", type=int, default=5)
    asked = parser.parse_args()
    print("| machine | donvi: wall, CPU | plain: wall, CPU | ratio of wall | of CPU | connections: donvi | plain |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for configuration in unit_machines(describe(load_city(), asked.unit)):
            if configuration.playbook == "router":
                continue
            machine = Machine(configuration, asked.unit, Path(folder))
            machine.donvi()  # warms both: the caches of both hosts
            machine.plain()
            counts = [machine.connections(run) for run in (machine.donvi, machine.plain)]
            pairs = [(machine.donvi(), machine.plain()) for _ in range(asked.pairs)]
            ours, plain = (_median(column) for column in zip(*pairs, strict=True))
            ratio = _median([Cost(one.wall / other.wall, one.cpu / other.cpu) for one, other in pairs])
            print(
                f"| {machine.name} | {ours.wall:.2f}, {ours.cpu:.2f} | {plain.wall:.2f}, {plain.cpu:.2f} "
                f"| {ratio.wall:.2f} | {ratio.cpu:.2f} | {counts[0]} | {counts[1]} |",
                flush=True,
            )


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(one.wall for one in costs), statistics.median(one.cpu for one in costs))


if __name__ == "__main__":
    main()
