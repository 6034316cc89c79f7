"""What a run costs, per stack: wall clock and processor seconds, beside the floor of asking the systems directly.

Run it on an idle host with the units open::

    eval "$(uv run donvi lab env)"
    uv run python tests/bench/stacks.py --runs 5

Each figure is the median. ``floor`` is one search of the unit's whole subtree in the directory by the same library, in
a process of its own: the least that anything which looks at the real system must pay.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from donvi.registry import load_city
from donvi.tenancy import names

if TYPE_CHECKING:
    from collections.abc import Sequence

FLOOR = """
import os
from donvi.backends.directory import Directory
from donvi.backends.vault import VaultClient
from donvi.deployment import parse, text_from_environment
at = parse(text_from_environment(os.environ))
login = VaultClient.from_env(os.environ).kv_read("backends/directory/read")
directory = Directory(at.directory.url, login["bind_dn"], login["password"], os.environ["VAULT_CACERT"])
assert directory.search("ou={code},ou=units,dc=tphcm,dc=test", "(objectClass=*)")
"""
QUIET = ("--non-interactive", "--color", "never")


@dataclass(frozen=True)
class Cost:
    """Seconds of one run, child processes included."""

    wall: float
    cpu: float


def once(command: Sequence[str]) -> Cost:
    """Run a command and return what it cost; one that fails ends the measurement."""
    before, begun = os.times(), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return Cost(time.monotonic() - begun, used)


def median(command: Sequence[str], runs: int) -> Cost:
    """Return the median cost of several runs, after one that isn't counted."""
    once(command)
    costs = [once(command) for _ in range(runs)]
    return Cost(statistics.median(c.wall for c in costs), statistics.median(c.cpu for c in costs))


def main() -> None:
    """Measure and print a table in Markdown."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=5)
    runs = options.parse_args().runs
    city = load_city()
    code = min(city.people)
    floor = median([sys.executable, "-c", FLOOR.replace("{code}", code)], runs)
    print("| run | stack | wall, s | CPU, s | wall ÷ floor |\n|---|---|---|---|---|")
    print(f"| floor | {code} | {floor.wall:.2f} | {floor.cpu:.2f} | 1.0 |")
    stacks = ["platform", *(names.stack(city.allotments[code]) for code in sorted(city.people))]
    for name, arguments in (
        ("preview, no change", ("preview", "--expect-no-changes")),
        ("up, no change", ("up", "--yes", "--skip-preview", "--expect-no-changes")),
        ("refresh --preview-only", ("refresh", "--preview-only", "--expect-no-changes")),
    ):
        for stack in stacks:
            cost = median(["pulumi", *arguments, "--stack", stack, *QUIET], runs)
            print(f"| {name} | {stack} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.wall / floor.wall:.1f} |")


if __name__ == "__main__":
    main()
