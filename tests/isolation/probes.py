"""Which packets are sent: all pairs of units, every way to the zones, and everything around one machine's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.isolation.oracle import (
    CORE,
    DNS,
    FAMILIES,
    NTP,
    OPERATOR,
    OPERATOR_NET,
    SSH,
    TRANSIT,
    Port,
    Probe,
    World,
    host,
    number,
    span,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.isolation.oracle import Segment, Unit

OFFICE = "office0"
WORKSTATION = 10
SERVICES = (("tcp", 8441), ("udp", DNS), ("icmp", 0))
OWN = (("icmp", 0), ("tcp", SSH), ("tcp", DNS), ("udp", DNS), ("udp", NTP), ("udp", SSH), ("tcp", DNS + 1))


def ordered_pairs(world: World) -> Iterator[tuple[Unit, Unit]]:
    """Yield every unit with every other."""
    units = list(world.units.values())
    return ((left, right) for left in units for right in units if left is not right)


def workstation(unit: Unit, family: int) -> str:
    """Return the address of a workstation in the unit's office."""
    return host(unit.segments[OFFICE].prefix[family], WORKSTATION)


def between_units(world: World) -> Iterator[Probe]:
    """Yield, per pair and family, packets from a workstation to the other's workstation."""
    for left, right in ordered_pairs(world):
        for family in FAMILIES:
            source, target = workstation(left, family), workstation(right, family)
            for protocol, port in SERVICES:
                yield Probe(Port(left.code, OFFICE), family, source, target, protocol, port)


def to_gateways(world: World) -> Iterator[Probe]:
    """Yield, per pair and family, packets from a workstation to the other's gateway itself."""
    for left, right in ordered_pairs(world):
        for family in FAMILIES:
            target = host(right.segments[TRANSIT].prefix[family], 2)
            yield Probe(Port(left.code, OFFICE), family, workstation(left, family), target, "tcp", SSH)


def impostors(world: World) -> Iterator[Probe]:
    """Yield, per pair and family, what the second unit may open, sent by the first in the second's name."""
    flow = next(flow for flow in world.flows if f"{flow.segment}0" == OFFICE)
    for left, right in ordered_pairs(world):
        for family in FAMILIES:
            source, target = workstation(right, family), flow.target[family]
            yield Probe(Port(left.code, OFFICE), family, source, target, flow.protocol, flow.port)


def impostors_in_the_city(world: World) -> Iterator[Probe]:
    """Yield, per pair and family, packets to a unit that come from the city in another unit's name."""
    for left, right in ordered_pairs(world):
        for family in FAMILIES:
            source, target = workstation(left, family), workstation(right, family)
            yield Probe(Port(CORE, "gov0"), family, source, target, "tcp", 8441)


def allowed(world: World, codes: Iterable[str]) -> Iterator[Probe]:
    """Yield every flow of the units, from the first machine of its kind; a gateway's own are not among them."""
    for code in codes:
        for segment in world.units[code].segments.values():
            if segment.interface == TRANSIT:
                continue
            for role, first, _ in world.ranges(segment):
                for flow in world.flows:
                    if (flow.segment, flow.role) == (segment.kind, role):
                        for family in FAMILIES:
                            source = host(segment.prefix[family], first)
                            target = flow.target[family]
                            at = Port(code, segment.interface)
                            yield Probe(at, family, source, target, flow.protocol, flow.port)


def to_zones(world: World) -> Iterator[Probe]:
    """Yield, from each segment of each unit, every service of the catalogue asked of every zone's machine."""
    ports = sorted({(flow.protocol, flow.port) for flow in world.flows})
    for unit in world.units.values():
        for segment in _local(unit):
            for family in FAMILIES:
                for target in _servers(world, family):
                    for protocol, port in ports:
                        source = host(segment.prefix[family], WORKSTATION)
                        yield Probe(Port(unit.code, segment.interface), family, source, target, protocol, port)


def from_zones(world: World, codes: Iterable[str]) -> Iterator[Probe]:
    """Yield what machines of the zones try: in every other zone, and in the units."""
    ports = sorted({("tcp", SSH), *((protocol, port) for _, _, protocol, port in world.links)})
    for zone in world.zones.values():
        at = Port(CORE, f"{zone.id}0")
        for family in FAMILIES:
            source = zone.server[family]
            for target in _servers(world, family):
                if world.way(CORE, number(target)) != at:
                    yield from (Probe(at, family, source, target, protocol, port) for protocol, port in ports)
            for code in codes:
                for segment in _local(world.units[code]):
                    target = host(segment.prefix[family], WORKSTATION)
                    yield from (Probe(at, family, source, target, protocol, 8441) for protocol in ("tcp", "udp"))


def around_gateway(world: World, code: str, neighbour: str) -> list[Probe]:
    """Return packets around every edge of a gateway's rules."""
    unit = world.units[code]
    found: list[Probe] = []
    for index, segment in enumerate(_local(unit)):
        found += _around_segment(world, unit, segment, neighbour)
        for family in FAMILIES:
            source, target = host(segment.prefix[family], WORKSTATION), world.zones["gov"].server[family]
            found += _signature(Port(code, segment.interface), family, source, target, 1 << index)
    found += _inbound(world, unit, neighbour)
    found += _operators(code, workstation(unit, 4), world.zones["gov"].server[4])
    return list(dict.fromkeys(found))


def around_router(world: World, codes: tuple[str, ...]) -> list[Probe]:
    """Return packets around every edge of the router's rules, for some units."""
    found: list[Probe] = []
    for code in codes:
        unit, neighbour = world.units[code], next(other for other in codes if other != code)
        for segment in _local(unit):
            found += _edges(world, unit, segment, neighbour)
            found += _impostor_of(world, unit, segment, neighbour)
        found += _to_core(unit)
        found += gateways_own(world, unit)
    found += from_zones(world, codes)
    found += _zone_edges(world, codes)
    found += _operators(CORE, workstation(world.units[codes[0]], 4), world.zones["gov"].server[4])
    return list(dict.fromkeys(found))


def _local(unit: Unit) -> Iterator[Segment]:
    return (segment for segment in unit.segments.values() if segment.interface != TRANSIT)


def _servers(world: World, family: int) -> list[str]:
    return sorted({zone.server[family] for zone in world.zones.values()} | {s[family] for s in world.servers.values()})


def _around_segment(world: World, unit: Unit, segment: Segment, neighbour: str) -> Iterator[Probe]:
    yield from _edges(world, unit, segment, neighbour)
    yield from _impostor_of(world, unit, segment, neighbour)
    at = Port(unit.code, segment.interface)
    for family in FAMILIES:
        source, gateway = host(segment.prefix[family], WORKSTATION), segment.gateway[family]
        yield from (Probe(at, family, source, gateway, protocol, port) for protocol, port in OWN)
        yield Probe(at, family, source, gateway, "tcp", DNS, broken=True)


def _sources(world: World, segment: Segment) -> list[int]:
    """Return host numbers at and just outside the edges of every kind of machine."""
    edges = [n for _, first, last in world.ranges(segment) for n in (first - 1, first, last, last + 1)]
    return sorted({digits for digits in (*edges, WORKSTATION) if 1 < digits < 255})


def _edges(world: World, unit: Unit, segment: Segment, neighbour: str) -> Iterator[Probe]:
    """Yield every service from every kind of machine and its neighbours, and what lies beside each service."""
    at = Port(unit.code, segment.interface)
    for family in FAMILIES:
        flows = sorted({(flow.target[family], flow.protocol, flow.port) for flow in world.flows})
        goals = set(flows)
        for target, protocol, port in flows:
            other = "udp" if protocol == "tcp" else "tcp"
            goals |= {(target, protocol, port + 1), (target, protocol, port - 1), (target, other, port)}
            goals |= {(beside, protocol, port) for beside in _beside(world, target)}
        elsewhere = [
            *_servers(world, family),
            *(host(world.zones["gov"].prefix[family], digits) for digits in (9, 11, 20)),
            workstation(world.units[neighbour], family),
            *(host(other.prefix[family], WORKSTATION) for other in _local(unit) if other is not segment),
        ]
        goals |= {(target, "tcp", port) for target in elsewhere for port in (443, 8441)}
        goals |= {(target, "icmp", 0) for target in elsewhere}
        for digits in _sources(world, segment):
            source = host(segment.prefix[family], digits)
            yield from (Probe(at, family, source, *goal) for goal in sorted(goals))
        for target, protocol, port in flows:
            if protocol == "tcp":
                source = host(segment.prefix[family], WORKSTATION)
                yield Probe(at, family, source, target, protocol, port, broken=True)


def _signature(at: Port, family: int, source: str, target: str, count: int) -> Iterator[Probe]:
    """Yield as many refused packets as no other port sends, so that a count under the wrong name can't match."""
    return (Probe(at, family, source, target, "tcp", 40_000 + extra) for extra in range(count))


def _beside(world: World, target: str) -> list[str]:
    """Return addresses next to a server's in its zone."""
    zone = next(zone for zone in world.zones.values() if number(target) in span(zone.prefix[6 if ":" in target else 4]))
    return [host(zone.prefix[6 if ":" in target else 4], digits) for digits in (9, 11)]


def gateways_own(world: World, unit: Unit) -> Iterator[Probe]:
    """Yield what a gateway itself may send, and what lies beside it; also in other names than its own."""
    transit, at = unit.segments[TRANSIT], Port(unit.code, OFFICE)
    for family in FAMILIES:
        flows = sorted({(flow.target[family], flow.protocol, flow.port) for flow in world.flows})
        for digits in (2, 3):
            source = host(transit.prefix[family], digits)
            for target, protocol, port in flows:
                other = "udp" if protocol == "tcp" else "tcp"
                for goal in ((protocol, port - 1), (protocol, port), (protocol, port + 1), (other, port)):
                    yield Probe(at, family, source, target, *goal)
                yield from (Probe(at, family, source, near, protocol, port) for near in _beside(world, target))
        source = unit.segments[OFFICE].gateway[family]
        yield from (Probe(at, family, source, target, protocol, port) for target, protocol, port in flows)


def _impostor_of(world: World, unit: Unit, segment: Segment, neighbour: str) -> Iterator[Probe]:
    """Yield packets by a segment's interface in the name of everybody else."""
    at = Port(unit.code, segment.interface)
    for family in FAMILIES:
        names = [host(other.prefix[family], WORKSTATION) for other in _local(unit) if other is not segment]
        names += [workstation(world.units[neighbour], family), world.zones["gov"].server[family]]
        for flow in world.flows[:2]:
            for source in names:
                yield Probe(at, family, source, flow.target[family], flow.protocol, flow.port)


def _inbound(world: World, unit: Unit, neighbour: str) -> Iterator[Probe]:
    """Yield what comes from the city: nobody there may open anything in a unit."""
    for zone in world.zones.values():
        at = Port(CORE, f"{zone.id}0")
        for family in FAMILIES:
            inside = [host(segment.prefix[family], WORKSTATION) for segment in _local(unit)]
            known, server = zone.server[family], host(unit.segments[TRANSIT].prefix[family], 2)
            for protocol, port in (("tcp", 8441), ("udp", DNS), ("icmp", 0)):
                yield from (Probe(at, family, known, target, protocol, port) for target in inside)
            yield from (Probe(at, family, known, server, protocol, port) for protocol, port in OWN)
            forged = [workstation(unit, family), workstation(world.units[neighbour], family)]
            forged += [host(unit.segments[TRANSIT].prefix[family], digits) for digits in (3, 254)]
            yield from (Probe(at, family, source, inside[0], "tcp", 8441) for source in forged)
            yield Probe(at, family, host(unit.segments[TRANSIT].prefix[family], 1), inside[0], "tcp", 8441)


def _operators(machine: str, *beyond: str) -> Iterator[Probe]:
    """Yield what comes by the management link: ssh and echo, nothing else, and never any further."""
    at, source, target = Port(machine, OPERATOR), host(OPERATOR_NET, 2), host(OPERATOR_NET, 1)
    yield from (Probe(at, 4, source, target, protocol, port) for protocol, port in OWN)
    yield Probe(at, 4, source, target, "tcp", SSH, broken=True)
    for goal in beyond:
        yield from (Probe(at, 4, source, goal, protocol, port) for protocol, port in (("tcp", SSH), ("tcp", 8441)))


def _to_core(unit: Unit) -> Iterator[Probe]:
    for family in FAMILIES:
        core = unit.segments[TRANSIT].gateway[family]
        source = workstation(unit, family)
        yield from (Probe(Port(unit.code, OFFICE), family, source, core, protocol, port) for protocol, port in OWN)


def _zone_edges(world: World, codes: tuple[str, ...]) -> Iterator[Probe]:
    """Yield what lies beside the links between zones, and packets of zones in other names."""
    for index, zone in enumerate(world.zones.values()):
        at = Port(CORE, f"{zone.id}0")
        for family in FAMILIES:
            source = zone.server[family]
            yield from _signature(at, family, source, workstation(world.units[codes[0]], family), 1 << index)
            yield from (Probe(at, family, source, zone.router[family], protocol, port) for protocol, port in OWN)
            abroad = next(other.server[family] for other in world.zones.values() if other is not zone)
            for name in (workstation(world.units[codes[0]], family), *_servers(world, family)):
                if number(name) not in span(zone.prefix[family]):
                    yield Probe(at, family, name, abroad, "tcp", 636)
            for _, target, protocol, port in world.links:
                if world.way(CORE, number(target[family])) != at:
                    yield from _link_edges(world, Probe(at, family, source, target[family], protocol, port))


def _link_edges(world: World, link: Probe) -> Iterator[Probe]:
    other = "udp" if link.protocol == "tcp" else "tcp"
    yield link
    yield from (link._replace(port=port) for port in (link.port - 1, link.port + 1))
    yield link._replace(protocol=other)
    yield from (link._replace(target=near) for near in _beside(world, link.target))
    if link.protocol == "tcp":
        yield link._replace(broken=True)
