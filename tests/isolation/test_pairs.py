"""No unit reaches another: all 28,056 ordered pairs, both families, real packets, judged where they would come out.

What must not arrive is first seen to arrive while nothing filters. So a dead target, a wrong route or a broken link is
*inconclusive* and fails the run; it never counts as isolated. And every packet that didn't arrive must be found in the
counter of the machine that refused it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.isolation import probes
from tests.isolation.bench import summary
from tests.isolation.oracle import CORE, Fate

if TYPE_CHECKING:
    from tests.isolation.bench import Bench
    from tests.isolation.oracle import Probe, World


@pytest.fixture(scope="module")
def between(world: World) -> list[Probe]:
    return [*probes.between_units(world), *probes.to_gateways(world)]


@pytest.fixture(scope="module")
def everything(world: World, between: list[Probe]) -> list[Probe]:
    more = (probes.impostors, probes.impostors_in_the_city, probes.to_zones)
    return [*between, *(probe for make in more for probe in make(world)), *probes.from_zones(world, world.units)]


@pytest.fixture(scope="module")
def alive(bench: Bench, everything: list[Probe]) -> Bench:
    """The network, after every single packet of this file was seen to arrive while nothing filters."""
    bench.guard(())
    problems = bench.check(everything)
    if problems:
        pytest.fail(f"inconclusive: targets can't be reached even without rules; {summary(problems)}")
    return bench


@pytest.fixture
def controls(world: World) -> list[Probe]:
    """What each unit may open; sent before and after, so that a network that died meanwhile isn't taken for safe."""
    return list(probes.allowed(world, world.units))


def test_the_pairs_are_all_there(world: World) -> None:
    assert len(list(probes.ordered_pairs(world))) == 28_056


def test_with_all_rules_no_unit_reaches_another_and_every_allowed_flow_arrives(
    alive: Bench, between: list[Probe], controls: list[Probe]
) -> None:
    alive.guard(alive.network.machines)
    for probes_ in (controls, between, controls):
        problems = alive.check(probes_)
        assert not problems, summary(problems)


def test_with_all_rules_nobody_sends_in_anothers_name(alive: Bench, world: World) -> None:
    alive.guard(alive.network.machines)
    for make in (probes.impostors, probes.impostors_in_the_city):
        found = list(make(world))
        assert {alive.world.walk(probe, lambda _: True)[0] for probe in found} == {Fate.FORGED}
        problems = alive.check(found)
        assert not problems, summary(problems)


def test_with_all_rules_the_wrong_zone_is_unreachable_and_zones_are_apart(alive: Bench, world: World) -> None:
    alive.guard(alive.network.machines)
    problems = alive.check([*probes.to_zones(world), *probes.from_zones(world, world.units)])
    assert not problems, summary(problems)


def test_the_router_alone_isolates_even_if_every_gateway_were_open(
    alive: Bench, world: World, between: list[Probe], controls: list[Probe]
) -> None:
    alive.guard({CORE})
    for probes_ in (controls, between, list(probes.impostors(world)), controls):
        problems = alive.check(probes_)
        assert not problems, summary(problems)


def test_the_gateways_alone_isolate_even_if_the_router_were_open(
    alive: Bench, world: World, between: list[Probe], controls: list[Probe]
) -> None:
    alive.guard(world.units)
    for probes_ in (controls, between, list(probes.impostors_in_the_city(world)), controls):
        problems = alive.check(probes_)
        assert not problems, summary(problems)
