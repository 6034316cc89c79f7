"""Packets between the machines: from a workstation to the zones and nowhere else; with the rendered rules in force."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from donvi.registry import load_city
from donvi.tenancy import Tenancy, describe, platform_description
from donvi.tenancy.firewall import gateway_ruleset, router_base, router_fragment
from lab import control, host
from lab.display import PlainDisplay
from lab.machine import Container
from lab.shell import run
from tests.lab.names import GATEWAY, MACHINES, UNIT, WORKSTATION, ZONES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.control import MachineStatus
    from lab.settings import LabSettings

FAMILIES = ("data4", "data6")
SERVED = "zone-gov"
ALLOWED, FORBIDDEN = 8441, 8451


@pytest.fixture(scope="module")
def unit() -> Tenancy:
    return describe(load_city(), UNIT)


@pytest.fixture
def places(lab: LabSettings) -> dict[str, MachineStatus]:
    return {machine.name: machine for machine in control.status(lab).machines}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("zone", ZONES)
def test_a_workstation_and_a_zones_machine_reach_each_other_through_gateway_and_router(
    on: Callable[..., str], places: dict[str, MachineStatus], zone: str, family: str
) -> None:
    for source, target in ((WORKSTATION, f"zone-{zone}"), (f"zone-{zone}", WORKSTATION)):
        answer = on(source, f"ping -c1 -W2 {getattr(places[target], family)}")
        assert "1 received" in answer
        assert "ttl=62" in answer, "two routers decrement the hop count twice"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packet_visits_the_units_gateway_then_the_core_router(
    on: Callable[..., str], places: dict[str, MachineStatus], unit: Tenancy, family: str
) -> None:
    target, digit = getattr(places["zone-public"], family), family[-1]
    segments = {segment.id: segment for segment in unit.segments}
    for hops, segment in ((1, "main/office"), (2, "main/transit")):
        said = on(WORKSTATION, f"ping -n -c1 -W2 -t{hops} {target}", check=False)
        assert f"From {getattr(segments[segment], f'gateway{digit}')}" in said


@pytest.mark.parametrize("family", FAMILIES)
def test_zones_machines_are_neighbours_in_their_zone_alone(
    on: Callable[..., str], places: dict[str, MachineStatus], family: str
) -> None:
    assert "ttl=64" in on("zone-gov", f"ping -c1 -w8 {getattr(places['dc'], family)}")
    assert "ttl=63" in on("zone-party", f"ping -c1 -w8 {getattr(places['dc'], family)}")


def test_gateway_and_router_have_every_interface_that_their_rules_name(on: Callable[..., str], unit: Tenancy) -> None:
    local = [segment for segment in unit.segments if segment.kind != "transit"]
    for machine, expected in (
        (GATEWAY, {s.interface: {s.gateway4, s.gateway6} for s in local} | {"transit0": set(), "mgmt0": set()}),
        ("core", {name: set() for name in (*(zone.interface for zone in unit.zones), f"u{UNIT}", "mgmt0")}),
    ):
        links = {link["ifname"]: link["addr_info"] for link in json.loads(on(machine, "ip -json address"))}
        for interface, addresses in expected.items():
            assert addresses <= {address["local"] for address in links[interface]}


@pytest.mark.parametrize(("machine", "family"), [("dc", "ipv4"), ("zone-party", "ipv6")])
def test_an_address_of_a_unit_that_nobody_has_ends_at_its_gateway(
    on: Callable[..., str], unit: Tenancy, machine: str, family: str
) -> None:
    target = ip_network(getattr(unit.unit, family))[-1000]  # in none of its segments
    answer = on(machine, f"ping -c1 -W2 {target}", check=False)
    assert "nreachable" in answer or "No route" in answer
    assert "exceeded" not in answer, "it would travel to and fro between gateway and router"


@pytest.mark.parametrize("machine", MACHINES)
def test_the_management_network_connects_no_two_machines(
    lab: LabSettings, on: Callable[..., str], places: dict[str, MachineStatus], machine: str
) -> None:
    others = [other.address for other in places.values() if other.name != machine]
    targets = " ".join([str(lab.host_address), *others])
    alive = on(machine, f"for a in {targets}; do (ping -c1 -W1 $a >/dev/null && echo $a) & done; wait", check=False)
    assert alive.split() == [str(lab.host_address)], "it reaches the operator, and no other machine that way"


@pytest.mark.parametrize(("machine", "port"), [(GATEWAY, "transit0"), (WORKSTATION, "office0")])
def test_the_operator_cannot_be_reached_from_a_unit_through_its_routers(
    lab: LabSettings, on: Callable[..., str], places: dict[str, MachineStatus], machine: str, port: str
) -> None:
    assert "1 received" in on(machine, f"ping -I {port} -c1 -W1 {places['core'].data4}")
    for target in (lab.host_address, places["dc"].address):
        via = on(machine, f"ip -4 route show default dev {port}").split()[2]
        route = f"ip route add {target} via {via} dev {port}"
        answer = on(machine, f"{route}; ping -I {port} -c1 -W1 {target}; ip route del {target}", check=False)
        assert "Packet filtered" in answer


@pytest.fixture
def filtered(lab: LabSettings, on: Callable[..., str], unit: Tenancy) -> Iterator[None]:
    """The rendered rules in force on the unit's gateway and on the core router, and two servers that answer on dc."""
    for port in (ALLOWED, FORBIDDEN):
        server = f"systemd-run -q --collect --unit=answer-{port} python3 -m http.server --bind :: {port}"
        on(
            SERVED,
            f"{server} && curl -s -o /dev/null --retry 20 --retry-connrefused --retry-delay 1 http://[::1]:{port}/",
        )
    rules = {
        "core": router_base(platform_description(load_city())) + router_fragment(unit),
        GATEWAY: gateway_ruleset(unit),
    }
    for machine, text in rules.items():
        (Container(lab, machine).root / "root/rules.nft").write_text(text)
    try:
        assert _codes(on, lab) == {ALLOWED: ["200", "200"], FORBIDDEN: ["200", "200"]}, "without rules all is open"
        for machine in rules:
            on(machine, "nft -f /root/rules.nft")
        yield
    finally:
        for machine in rules:
            on(machine, "nft delete table inet donvi; rm /root/rules.nft", check=False)
        on(SERVED, f"systemctl stop answer-{ALLOWED} answer-{FORBIDDEN}")


def _codes(on: Callable[..., str], lab: LabSettings) -> dict[int, list[str]]:
    """Return the answers over IPv4 and IPv6 a workstation gets from the systems' machine; 000 is silence."""
    served = next(machine for machine in control.status(lab).machines if machine.name == SERVED)
    ask = "curl -s -o /dev/null -w '%{{http_code}} ' --connect-timeout 2 http://{}:{}/"
    hosts = (served.data4, f"[{served.data6}]")
    return {
        port: on(WORKSTATION, "; ".join(ask.format(at, port) for at in hosts), check=False).split()
        for port in (ALLOWED, FORBIDDEN)
    }


def _counted(on: Callable[..., str], counter: str) -> int:
    """Return how many packets a counter of the gateway has seen."""
    found = json.loads(on(GATEWAY, f"nft -j list counter inet donvi {counter}"))["nftables"]
    return next(int(item["counter"]["packets"]) for item in found if "counter" in item)


@pytest.mark.usefixtures("filtered")
def test_the_rendered_rules_apply_as_they_are(lab: LabSettings, on: Callable[..., str]) -> None:
    assert _codes(on, lab) == {ALLOWED: ["200", "200"], FORBIDDEN: ["000", "000"]}
    assert _counted(on, "from_office_denied") >= 2, "dropped because no flow names it"
    neighbour = describe(load_city(), "26740")
    stolen = next(end.ipv4 for end in neighbour.endpoints if end.role == "workstation")
    target = next(machine.data4 for machine in control.status(lab).machines if machine.name == "dc")
    forge = f"ip address add {stolen}/32 dev lo; ping -I {stolen} -c1 -W1 {target}; ip address del {stolen}/32 dev lo"
    assert "0 received" in on(WORKSTATION, forge, check=False)
    assert _counted(on, "forged") == 1


def test_a_zone_that_was_a_single_cable_becomes_a_switch_under_running_machines(
    lab: LabSettings, on: Callable[..., str], places: dict[str, MachineStatus]
) -> None:
    core, centre = lab.label("core"), lab.label("dc")
    run(["ip", "-n", core, "link", "delete", "p-dc"])
    run(["ip", "-n", core, "link", "delete", "gov0"])
    run(["ip", "link", "add", "gov0", "netns", core, "type", "veth", "peer", "name", "gov0", "netns", centre])
    control.up(lab, PlainDisplay())
    assert {machine.name: machine.pid for machine in control.status(lab).machines} == {
        name: place.pid for name, place in places.items()
    }
    assert all(host.process_start(place.pid or 0) for place in places.values())
    for family in FAMILIES:
        assert "ttl=63" in on(GATEWAY, f"ping -c1 -w8 {getattr(places['dc'], family)}")
