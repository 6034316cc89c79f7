"""What many stacks cost by the fast runner, beside the plain loop ``for s in …; do pulumi preview -s $s; done``.

Stacks of the lab, nothing to change, with and without policies::

    eval "$(uv run donvi lab env)"
    uv run python -m tests.bench.fleet --stacks 26506-vung-tau,26740-sai-gon --rounds 3

Stacks of the toy project, made from nothing and then without changes; needs no lab, ``DONVI_TOOLS`` names the folder
of ``pulumi``::

    DONVI_TOOLS=… uv run python -m tests.bench.fleet --toy 8

Each side runs in a process of its own. Processor seconds are those of that process and of everything below it, the
processes that serve all stacks and their starts included: all of them are ended and waited for. Medians of the rounds,
both sides in each round.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.fleet.engine import FastRunner
from donvi.fleet.engine_process import POLICY_PACK
from donvi.fleet.model import Operation, Options, Status
from donvi.fleet.stacks import REPOSITORY, Stacks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROGRAM = """
stack = pulumi.get_stack()
for number in range(30):
    Thing(f"{stack}.{number:02}", size=number)
"""
PLAIN, FAST = "plain", "fast"
CHANGES = "BENCH_CHANGES"
"""Set to anything, previews may show changes: both sides then do more than the table says."""


@dataclass(frozen=True)
class Cost:
    """Seconds for one stack.

    :param cpu: of all processes.
    """

    wall: float
    cpu: float


@dataclass(frozen=True)
class Bench:
    """Where what is run.

    :param parallel: stacks at once on the fast side; the plain loop knows one.
    """

    stacks: tuple[str, ...]
    folder: Path
    environ: Mapping[str, str]
    parallel: int

    def cost(self, side: str, operation: Operation, *, policy: bool, parallel: int = 0) -> Cost:
        """Run all stacks one way, in a process of its own."""
        line = [sys.executable, "-m", "tests.bench.fleet", "--side", side, "--operation", operation.value]
        line += ["--stacks", ",".join(self.stacks), "--folder", str(self.folder)]
        line += ["--parallel", str(parallel or self.parallel), *([] if policy else ["--no-policy"])]
        begun = time.monotonic()
        process = subprocess.Popen(line, env=dict(self.environ), cwd=REPOSITORY)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"the side {side} failed")
        count = len(self.stacks)
        return Cost((time.monotonic() - begun) / count, (used.ru_utime + used.ru_stime) / count)


def plain(stacks: Sequence[str], folder: Path, operation: Operation, *, policy: bool) -> None:
    """Do what the loop in a shell does."""
    environ = {name: value for name, value in os.environ.items() if policy or name != POLICY_PACK}
    more = ["--yes", "--skip-preview"] if operation is not Operation.PREVIEW else []
    if operation is Operation.PREVIEW and CHANGES not in os.environ:
        more.append("--expect-no-changes")
    for stack in stacks:
        line = ["pulumi", operation.value, "--stack", stack, "--non-interactive", "--color", "never", *more]
        done = subprocess.run(line, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{stack}: {done.stdout}{done.stderr}")


def fast(stacks: Sequence[str], folder: Path, operation: Operation, *, policy: bool, parallel: int) -> None:
    """Do the same with one runner."""
    with FastRunner(os.environ, repository=folder) as runner, ThreadPoolExecutor(parallel) as pool:
        for result in pool.map(lambda stack: runner.run(operation, stack, Options(policy=policy)), stacks):
            changed = operation is Operation.PREVIEW and result.changed and CHANGES not in os.environ
            if result.status is not Status.DONE or changed:
                sys.exit(f"{result.stack}: {result.failure or result.counts}")


def toys(count: int, folder: Path) -> Bench:
    """Make a toy project with so many empty stacks."""
    from tests.engine.project import Project

    project = Project(folder)
    project.program(PROGRAM)
    names = tuple(f"toy{number:03}" for number in range(count))
    for name in names:
        line = ["pulumi", "stack", "init", name, "--no-select", "--secrets-provider", "passphrase"]
        subprocess.run(line, cwd=folder, env=project.environ, check=True, capture_output=True)
    return Bench(names, folder, project.environ, 2)


def row(what: str, slow: Sequence[Cost], quick: Sequence[Cost]) -> str:
    """Return a line of the table: medians, and the median of the rounds' ratios."""
    cells = [what]
    for costs in (slow, quick):
        cells += [f"{statistics.median(cost.wall for cost in costs):.2f}"]
        cells += [f"{statistics.median(cost.cpu for cost in costs):.2f}"]
    pairs = list(zip(slow, quick, strict=True))
    cells += [f"{statistics.median(two.wall / one.wall for one, two in pairs):.2f}"]
    cells += [f"{statistics.median(two.cpu / one.cpu for one, two in pairs):.2f}"]
    return f"| {' | '.join(cells)} |"


def compare(bench: Bench, rounds: int, *, policies: Sequence[bool]) -> None:
    """Print the table of no-change previews."""
    for policy in policies:
        slow, quick = [], []
        for _ in range(rounds):
            slow.append(bench.cost(PLAIN, Operation.PREVIEW, policy=policy))
            quick.append(bench.cost(FAST, Operation.PREVIEW, policy=policy))
        what = f"preview, no change, {'with' if policy else 'without'} policies"
        print(row(f"{what}, {len(bench.stacks)} stacks, {bench.parallel} at once", slow, quick), flush=True)


def grow(bench: Bench) -> None:
    """Print the cost of making toy stacks from nothing: all by one side, away again, all by the other."""
    up, destroy = Operation.UP, Operation.DESTROY
    slow = bench.cost(PLAIN, up, policy=False)
    bench.cost(FAST, destroy, policy=False)
    quick = bench.cost(FAST, up, policy=False)
    print(
        row(f"up from nothing, toys, {len(bench.stacks)} stacks, {bench.parallel} at once", [slow], [quick]), flush=True
    )


def main() -> None:
    """Measure and print a table in Markdown, or be one side of it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--stacks", default="", help="separated by commas; all units that exist by default")
    options.add_argument("--toy", type=int, default=0, help="so many stacks of the toy project instead")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--parallel", type=int, default=2, help="stacks at once on the fast side")
    options.add_argument("--side", choices=(PLAIN, FAST), help=argparse.SUPPRESS)
    options.add_argument("--operation", type=Operation, default=Operation.PREVIEW, help=argparse.SUPPRESS)
    options.add_argument("--folder", type=Path, default=REPOSITORY, help=argparse.SUPPRESS)
    options.add_argument("--no-policy", dest="policy", action="store_false", help=argparse.SUPPRESS)
    given = options.parse_args()
    stacks = tuple(filter(None, given.stacks.split(",")))
    if given.side == PLAIN:
        plain(stacks, given.folder, given.operation, policy=given.policy)
    elif given.side == FAST:
        fast(stacks, given.folder, given.operation, policy=given.policy, parallel=given.parallel)
    else:
        table(given, stacks)


def table(given: argparse.Namespace, stacks: tuple[str, ...]) -> None:
    """Measure what was asked for."""
    print("| run | plain: wall s | CPU s | fast: wall s | CPU s | wall ÷ | CPU ÷ |\n|---|---|---|---|---|---|---|")
    if given.toy:
        folder = Path(tempfile.mkdtemp(prefix="donvi-bench-"))
        try:
            bench = toys(given.toy, folder)
            grow(bench)
            compare(bench, given.rounds, policies=(False,))
        finally:
            shutil.rmtree(folder)
        return
    found = stacks or tuple(sorted(Stacks(os.environ).stacks() - {"platform"}))
    compare(Bench(found, REPOSITORY, os.environ, given.parallel), given.rounds, policies=(False, True))


if __name__ == "__main__":
    main()
