"""The network of the proof, made once and removed whatever happens. Only here the rules under proof are rendered."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

import pytest

from donvi.registry import city_folder, load_city
from donvi.tenancy import describe, platform_description
from donvi.tenancy.firewall import gateway_ruleset, router_base, router_fragment, router_fragment_removal
from tests.isolation import netns
from tests.isolation.bench import Bench
from tests.isolation.network import Network
from tests.isolation.oracle import CORE, World
from tests.isolation.suites import PILOTS
from tests.isolation.wire import Wire, single_core

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.registry import City


@pytest.fixture(scope="session")
def city() -> City:
    return load_city()


@pytest.fixture(scope="session")
def world() -> World:
    return World(city_folder())


@pytest.fixture(scope="session")
def rules(city: City) -> dict[str, tuple[str, ...]]:
    """The rules as the city's machines would get them."""
    tenancies = [describe(city, code) for code in city.units]
    found = {tenancy.unit.code: (gateway_ruleset(tenancy),) for tenancy in tenancies}
    core = (router_base(platform_description(city)), *(router_fragment(tenancy) for tenancy in tenancies))
    return {CORE: core, **found}


@pytest.fixture(scope="session")
def removal(city: City) -> str:
    """What takes the first pilot's fragment off the router."""
    return router_fragment_removal(describe(city, PILOTS[0]))


@pytest.fixture(scope="session")
def bench(world: World, rules: dict[str, tuple[str, ...]]) -> Iterator[Bench]:
    if os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("ip"):
        pytest.skip("the proof needs root, nft and ip")
    with socket.socket(socket.AF_UNIX) as single:
        try:
            single.bind("\0donvi-isolation")  # freed by the kernel when this process ends, however it ends
        except OSError:
            pytest.fail("another run of the proof is under way on this host")
        yield from _bench(world, rules)


def _bench(world: World, rules: dict[str, tuple[str, ...]]) -> Iterator[Bench]:
    processors = os.sched_getaffinity(0)
    network = Network(world)
    try:
        network.build()
        single_core()
        wire = Wire(network)
        yield Bench(network, wire, rules)
        wire.close()
    finally:
        os.sched_setaffinity(0, processors)
        netns.remove_all()
