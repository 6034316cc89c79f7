"""What a look at the fleet costs beside the bare bulk reads that it makes, in one run.

Run it on an idle host with the stacks up::

    eval "$(uv run donvi lab env)"
    uv run python tests/bench/drift.py --all --runs 3 [--machines]

``look`` is the whole of it: state, reads, judging every resource. ``bare`` is the same questions to the same servers by
the same clients and as many at once, with nothing done about the answers: one search of the directory, the zone, the
access lists, a list per kind of the cluster, each path of Vault, the scripts on machines, one check run per playbook.
What must not exceed 1.5 is the ratio. With ``--refresh N`` a plain ``pulumi refresh --preview-only`` of N stacks is
measured too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from donvi.backends.kubernetes.objects import SECRET
from donvi.errors import DonviError
from donvi.fleet.drift.bulk import BulkServices
from donvi.fleet.drift.look import Looker
from donvi.fleet.drift.state import State
from donvi.fleet.model import Operation, Options
from donvi.fleet.plain import PlainRunner
from donvi.provider.handler import BACKEND_LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from donvi.fleet.drift.model import Report
    from donvi.fleet.drift.state import Resource

LIMIT = 1.5
SECRET_TYPE = "donvi:kubernetes:CertificateSecret"
VAULT_AT_ONCE = BACKEND_LIMITS["vault"] + BACKEND_LIMITS["pki"]


@dataclass
class Made:
    """What a look asked, to ask the same again."""

    places: list[tuple[BulkServices, Sequence[Any]]] = field(default_factory=list)
    paths: list[tuple[str, str]] = field(default_factory=list)


class Watched(Looker):
    """A look that tells what it asked."""

    made: Made

    def _places(self, *given: Any) -> Any:
        places = super()._places(*given)
        self.made = Made([(place.services, [item.resource for item in place.items]) for place in places])
        return places


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what a call gives, its seconds of wall clock and of processor, children included."""
    before, begun = os.times(), time.monotonic()
    found = call()
    after = os.times()
    return found, time.monotonic() - begun, sum(after[:4]) - sum(before[:4])


def look(stacks: Sequence[str], *, machines: bool) -> tuple[Report, Made, float, float]:
    """Look once."""
    looker = Watched(os.environ, machines=machines)
    report, wall, cpu = timed(lambda: looker.look(stacks))
    for services, _ in looker.made.places:
        if services.remembering is not None:
            looker.made.paths += services.remembering.asked
    return report, looker.made, wall, cpu


def bare(made: Made, *, machines: bool) -> tuple[float, float]:
    """Ask the same of the same servers and do nothing about it."""

    def ask() -> None:
        for before, resources in made.places:
            services = BulkServices(before.deployment, os.environ, machines=machines)
            services.load(resources)
            with ThreadPoolExecutor(VAULT_AT_ONCE) as pool:
                list(pool.map(partial(quietly, services.vault), made.paths))
                list(pool.map(partial(secret, services), (one for one in resources if one.type == SECRET_TYPE)))
            if runs := [spec for spec, _ in before.plays._done]:
                services.plays._noted = runs
                services.plays.run_noted(900.0)
            services.close()

    _, wall, cpu = timed(ask)
    return wall, cpu


def quietly(vault: Any, place: tuple[str, str]) -> None:
    """Read one path; what is missing was missing for the look too."""
    method, path = place
    if method == "revoked":
        return  # the list itself is among the raw paths
    try:
        vault.raw(path) if method == "raw" else vault.request(method, path)
    except DonviError:
        return


def secret(services: BulkServices, resource: Resource) -> None:
    """Read a Secret, which no role may list."""
    try:
        services.kubernetes.get(SECRET, resource.inputs["namespace"], resource.inputs["name"])
    except DonviError:
        return


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stacks", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--machines", action="store_true")
    parser.add_argument("--refresh", type=int, default=0)
    given = parser.parse_args(arguments)
    stacks = State(os.environ).stacks() if given.all else given.stacks
    looks, bares, ratios = [], [], []
    for _ in range(given.runs):
        report, made, wall, cpu = look(stacks, machines=given.machines)
        bare_wall, bare_cpu = bare(made, machines=given.machines)
        looks.append((wall, cpu))
        bares.append((bare_wall, bare_cpu))
        ratios.append(wall / bare_wall)
        print(
            f"look {wall:.2f} s ({cpu:.2f} cpu) · bare {bare_wall:.2f} s ({bare_cpu:.2f} cpu) · {wall / bare_wall:.2f}"
        )
    print(f"{len(stacks)} stacks, {report.resources} resources, {len(made.paths)} paths of Vault, {report.outcome}")
    print(f"parts of the last look: {report.seconds}")
    ratio = statistics.median(ratios)
    print(f"look ÷ bare: {ratio:.2f} (limit {LIMIT})")
    for stack in stacks[: given.refresh]:
        result, wall, cpu = timed(
            lambda stack=stack: PlainRunner(os.environ).run(Operation.REFRESH, stack, Options(preview_only=True))
        )
        print(f"pulumi refresh --preview-only {stack}: {wall:.2f} s ({cpu:.2f} cpu), {result.status}")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
