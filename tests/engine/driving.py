"""A toy city: the city's names for a few stacks of the toy project, driven by the command ``donvi`` as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.engine.project import ROOT, Project

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PATIENCE = 600.0
"""Seconds within which a command ends on a host that does much else."""

PLATFORM = "platform"
UNITS = ("25747-thu-dau-mot", "26506-vung-tau", "26740-sai-gon")
"""Pilots, one of each former locality."""

LATER = ("25760-binh-duong", "25768-phu-an")
"""Units of the city's second wave."""

STACKS = (PLATFORM, *UNITS, *LATER)
CODES = tuple(unit.partition("-")[0] for unit in UNITS)
LATER_CODES = tuple(unit.partition("-")[0] for unit in LATER)

PROGRAM = """
import json, pathlib
stack = pulumi.get_stack()
plans = json.loads((pathlib.Path(__file__).parent / "plans.json").read_text())
for key, inputs in plans.get(stack, {}).items():
    Thing(f"{stack}.{key}", **inputs)
"""

DRIVER = """
import sys
from pathlib import Path
from donvi.cli.fleet import session
from donvi.cli.main import main
from donvi.fleet.gates import Health

folder, *arguments = sys.argv[1:]
session.REPOSITORY = Path(folder)

def probe(code, cancelled):
    asked, closed = Path(folder) / "asked", Path(folder) / "closed"
    with asked.open("a") as file:
        file.write(code + "\\n")
    shut = closed.read_text().split() if closed.exists() else []
    return Health(open=code not in shut, reason="nobody answers" if code in shut else "")

session.probe = probe
session._receipts = lambda *_: None  # they are of the code that the city's stacks are made of, not of the toy's
sys.argv = ["donvi", *arguments]
main(arguments)
"""
"""The command itself on the toy project; only a gate's probe, which needs a whole lab, reads a file instead."""


@dataclass
class Fleet:
    """Several stacks of one toy project."""

    project: Project
    drivers: list[subprocess.Popen[str]] = field(default_factory=list)

    def plan(self, **plans: dict[str, dict[str, Any]]) -> None:
        """Say what the stacks hold: by slug with ``_`` for ``-``, resource to inputs; the others hold one thing."""
        named = {stack: plans.get(stack.partition("-")[2].replace("-", "_") or stack, {"a": {}}) for stack in STACKS}
        (self.project.folder / "plans.json").write_text(json.dumps(named), encoding="utf-8")
        self.project.program(PROGRAM)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start the command."""
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(self.project.folder), *arguments],
            cwd=ROOT,
            env=self.project.environ,
            stdin=options.get("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.drivers.append(process)
        return process

    def by_hand(self, stack: str, *arguments: str) -> subprocess.Popen[str]:
        """Start the official CLI on a stack, as a person does."""
        process = subprocess.Popen(
            ["pulumi", *arguments, "--stack", stack, "--non-interactive", "--color", "never"],
            cwd=self.project.folder,
            env=self.project.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.project.started.append(process)
        return process

    def donvi(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the command and assert its exit code."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run(self, *arguments: str, code: int = 0) -> dict[str, str]:
        """Run the command and return the state of each stack of its run."""
        seen = json.loads(self.donvi(*arguments, "--json", code=code).stdout)
        return {stack["stack"]: stack["state"] for stack in seen["stacks"]}

    def shown(self, query: str = "last") -> dict[str, Any]:
        """Return a run as ``donvi runs`` shows it."""
        seen: dict[str, Any] = json.loads(self.donvi("runs", query, "--json").stdout)
        return seen

    def leases(self) -> list[str]:
        """Return the stacks that are leased."""
        return sorted(path.stem for path in self.project.folder.glob("state/.donvi/leases/[!.]*.json"))

    def begun(self) -> list[str]:
        """Return the things whose creation began, in order."""
        return [call.split()[1] for call in self.project.calls() if call.startswith("begin ")]

    def things(self) -> set[str]:
        """Return what exists in the toy backend."""
        return {path.stem for path in self.project.things.glob("*.json")}

    def end(self) -> None:
        """End what still runs."""
        for process in self.drivers:
            process.kill()
            process.communicate()
        self.project.end()


def make_stacks(project: Project, stacks: Iterable[str]) -> None:
    """Make empty stacks."""
    for stack in stacks:
        subprocess.run(
            ["pulumi", "stack", "init", stack, "--no-select", "--secrets-provider", "passphrase"],
            cwd=project.folder,
            env=project.environ,
            check=True,
            capture_output=True,
        )


def folder_of(project: Project) -> Path:
    """Return where the driver keeps its runs."""
    return project.folder / "state/.donvi/runs"
