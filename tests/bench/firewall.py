"""How long the firewall of the whole city takes: describe, render, build the proof's network, load, send, count.

``python -m tests.bench.firewall`` as root prints a table; the numbers stand in ``docs/performance.md``.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from donvi.registry import city_folder, load_city
from donvi.tenancy import describe, platform_description
from donvi.tenancy.firewall import gateway_ruleset, router_base, router_fragment
from tests.isolation import netns, probes
from tests.isolation.bench import Bench
from tests.isolation.network import Network
from tests.isolation.oracle import CORE, World
from tests.isolation.wire import Wire, load, single_core

if TYPE_CHECKING:
    from collections.abc import Iterator

OUT = Console()


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Print how long the block took."""
    start = time.perf_counter()
    yield
    OUT.print(f"{what:<58} {time.perf_counter() - start:7.2f} s")


def main() -> None:
    """Measure each step once."""
    with measured("read the city"):
        city = load_city()
    with measured(f"describe {len(city.units)} units"):
        tenancies = {code: describe(city, code) for code in city.units}
    with measured("render a gateway's ruleset and a router fragment per unit"):
        rules = {code: (gateway_ruleset(tenancy),) for code, tenancy in tenancies.items()}
        fragments = [router_fragment(tenancy) for tenancy in tenancies.values()]
    rules[CORE] = (router_base(platform_description(city)), *fragments)
    network = Network(World(city_folder()))
    try:
        with measured(f"build {len(network.machines) + 1} namespaces, {len(network.links) + len(city.units)} links"):
            network.build()
        single_core()
        wire = Wire(network)
        bench = Bench(network, wire, rules)
        pairs = list(probes.between_units(network.world))
        with measured(f"send {len(pairs)} packets, nothing filters"):
            wire.send(pairs)
        with measured(f"load {len(city.units)} gateways"):
            for code in city.units:
                load(code, *rules[code])
        with measured(f"load the router: base and {len(fragments)} fragments"):
            load(CORE, *rules[CORE])
        bench.guarded = set(network.machines)
        with measured(f"send {len(pairs)} packets, all rules"):
            wire.send(pairs)
        with measured("read every machine's counters"):
            wire.drops(network.machines)
        with measured("replace one unit's fragment beside the others"):
            load(CORE, fragments[-1])
        wire.close()
    finally:
        with measured("remove everything"):
            netns.remove_all()


if __name__ == "__main__":
    main()
