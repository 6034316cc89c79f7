"""What must be true of the network, stated on its own: from the city's files, and from nothing of ``donvi``.

The rules are rendered by ``donvi.tenancy.firewall``; this module must not import it, nor the description it reads
(``test_oracle.py`` sees to that). Two statements of the same law, written apart, are what makes the proof one.

**The law.** A packet that comes by an interface from an address which doesn't belong there is *forged*. A packet that
neither belongs to a connection nor can open one is *invalid*. A machine answers for its own services only. Of the rest,
a unit's machine may open what a flow of the catalogue names: from its kind's addresses in that kind of segment, to that
server's address, protocol and port. A zone's machines may open the city's links. Everything else is *denied*.
"""

from __future__ import annotations

import csv
import enum
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from netaddr import IPAddress, IPNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CORE = "core"
OPERATOR = "mgmt0"
OPERATOR_NET = "192.0.2.0/24"
"""The management link of every machine here; the machine is its first address, the operator the second."""
TRANSIT = "transit0"
SSH, DNS, NTP = 22, 53, 123
FAMILIES = (4, 6)


class Fate(enum.Enum):
    """What becomes of a packet."""

    PASSES = "passes"
    ANSWERED = "answered"
    FORGED = "forged"
    INVALID = "invalid"
    DENIED = "denied"


class Port(NamedTuple):
    """An interface of a machine: where a packet is put in, or comes out towards the hosts."""

    machine: str  # code of a unit (its gateway), or core
    interface: str


class Probe(NamedTuple):
    """A packet that is sent to see what becomes of it."""

    at: Port  # the interface of the machine that receives it first
    family: int
    source: str
    target: str
    protocol: str  # tcp | udp | icmp (an echo request)
    port: int = 0
    broken: bool = False  # a TCP segment that no connection has: SYN and FIN


class Range(NamedTuple):
    """Addresses from first to last, as numbers."""

    first: int
    last: int

    def __contains__(self, address: object) -> bool:
        return isinstance(address, int) and self.first <= address <= self.last


class Flow(NamedTuple):
    """A row of the catalogue's flow matrix with the server's addresses, by family."""

    segment: str
    role: str
    target: dict[int, str]
    protocol: str
    port: int


class Segment(NamedTuple):
    """A segment of a unit; prefixes and the gateway's address by family."""

    kind: str
    site: int
    interface: str
    prefix: dict[int, str]
    gateway: dict[int, str]


class Unit(NamedTuple):
    """A unit's numbers from the ledger, and its segments by the gateway's interface."""

    code: str
    prefix: dict[int, str]
    segments: dict[str, Segment]


class Zone(NamedTuple):
    """A trust zone: prefixes, the router's address, and the machine that answers, by family."""

    id: str
    prefix: dict[int, str]
    router: dict[int, str]
    server: dict[int, str]


@cache
def number(address: str) -> int:
    """Return an address as a number."""
    return int(IPAddress(address))


@cache
def span(prefix: str) -> Range:
    """Return the addresses of a prefix."""
    network = IPNetwork(prefix)
    return Range(network.first, network.last)


@cache
def host(prefix: str, digits: int) -> str:
    """Return the address whose host part has these digits, in either family."""
    network = IPNetwork(prefix)
    return str(network[digits if network.version == 4 else int(str(digits), 16)])


@cache
def part(prefix: str, bits: int, index: int) -> str:
    """Return the index-th part of a prefix."""
    network = IPNetwork(prefix)
    width = 32 if network.version == 4 else 128
    return f"{IPAddress(network.first + (index << (width - bits)), network.version)}/{bits}"


class World:
    """The city as its files tell it."""

    def __init__(self, folder: Path) -> None:
        city = _yaml(folder / "city.yaml")
        systems = [_yaml(path) for path in sorted((folder / "systems").glob("*.yaml"))]
        self.kinds: dict[str, Any] = {kind["kind"]: kind for kind in city["segments"]}
        self.roles = [(h["segment"], h["role"], h["main"], h.get("further")) for h in city["hosts"]]
        self.zones = {zone["id"]: _zone(zone) for zone in city["zones"]}
        self.servers = _servers(city, systems)
        self.flows = [self._flow(system, flow) for system in systems for flow in system.get("flows", ())]
        self.links = [
            (link["zone"], self.servers[link["host"]], link["protocol"], link["port"]) for link in city["links"]
        ]
        self.units = {unit.code: unit for unit in self._units(folder)}
        operators = {number(host(OPERATOR_NET, 1))}
        self._own = {code: operators | self._addresses(unit) for code, unit in self.units.items()}
        self._own[CORE] = (
            operators
            | {number(a) for zone in self.zones.values() for a in zone.router.values()}
            | {
                number(s.gateway[f])
                for u in self.units.values()
                for s in u.segments.values()
                if s.kind == "transit"
                for f in FAMILIES
            }
        )
        self._homes = sorted((*span(unit.prefix[f]), unit.code) for unit in self.units.values() for f in FAMILIES)

    def _flow(self, system: dict[str, Any], flow: dict[str, Any]) -> Flow:
        named = flow.get("host") or system["id"]
        target = self.servers.get(named) or self.zones[system["zone"]].server
        return Flow(flow["segment"], flow["endpoint"], target, flow["protocol"], flow["port"])

    def _units(self, folder: Path) -> Iterator[Unit]:
        sites: dict[str, list[int]] = {}
        for row in _rows(folder / "sites.csv"):
            sites.setdefault(row["unit"], []).append(int(row["number"]))
        living: dict[str, dict[str, str]] = {}
        for row in _rows(folder / "ledger.csv"):
            living.pop(row["code"], None)
            if row["event"] == "allot":
                living[row["code"]] = row
        for code, row in sorted(living.items()):
            prefix = {4: row["ipv4"], 6: row["ipv6"]}
            found = [s for site in sorted(sites[code]) for s in self._segments(prefix, site)]
            yield Unit(code, prefix, {segment.interface: segment for segment in found})

    def _segments(self, prefix: dict[int, str], site: int) -> Iterator[Segment]:
        for kind, facts in self.kinds.items():
            if site and kind == "transit":
                continue
            four = part(prefix[4], 24, facts["number"])
            if site:
                four = part(part(prefix[4], 24, 5 + site), 27, facts["number"])
            nets = {4: four, 6: part(prefix[6], 64, 16 * site + facts["number"])}
            yield Segment(kind, site, f"{kind}{site}", nets, {f: host(nets[f], 1) for f in FAMILIES})

    def _addresses(self, unit: Unit) -> set[int]:
        """Return the addresses of a unit's gateway; in transit the core router is first and the gateway second."""
        return {
            number(host(segment.prefix[family], 2 if segment.kind == "transit" else 1))
            for segment in unit.segments.values()
            for family in FAMILIES
        }

    def ranges(self, segment: Segment) -> Iterator[tuple[str, int, int]]:
        """Return the kinds of machines in a segment, with their first and last host number."""
        for kind, role, main, further in self.roles:
            numbers = further if segment.site else main
            if kind == segment.kind and numbers:
                yield role, numbers[0], numbers[1]

    def owner(self, address: int) -> str:
        """Return the unit whose prefix holds an address; empty for none."""
        return next((code for first, last, code in self._homes if first <= address <= last), "")

    def own(self, machine: str) -> set[int]:
        """Return the addresses of a machine."""
        return self._own[machine]

    # what a machine does with a packet that it receives

    def rule(self, machine: str, interface: str, probe: Probe) -> Fate:
        """Return what the machine must do with a packet that comes by an interface and belongs to no connection."""
        if not self._belongs(machine, interface, probe):
            return Fate.FORGED
        if probe.broken:
            return Fate.INVALID
        if number(probe.target) in self.own(machine):
            return Fate.ANSWERED if self._serves(machine, interface, probe) else Fate.DENIED
        allowed = self._core_lets(interface, probe) if machine == CORE else self._unit_lets(machine, interface, probe)
        return Fate.PASSES if allowed else Fate.DENIED

    def _belongs(self, machine: str, interface: str, probe: Probe) -> bool:
        source, family = number(probe.source), probe.family
        if interface == OPERATOR:
            return True
        if machine == CORE:
            if interface.startswith("u"):
                return source in span(self.units[interface[1:]].prefix[family])
            return source in span(self.zones[interface[:-1]].prefix[family])
        segment = self.units[machine].segments[interface]
        if interface != TRANSIT:
            return source in span(segment.prefix[family])
        zones = any(source in span(zone.prefix[family]) for zone in self.zones.values())
        return zones or source == number(segment.gateway[family])

    def _serves(self, machine: str, interface: str, probe: Probe) -> bool:
        if interface == OPERATOR:
            return probe.protocol == "icmp" or (probe.protocol, probe.port) == ("tcp", SSH)
        if machine == CORE or interface == TRANSIT:
            return probe.protocol == "icmp"
        if not self.kinds[self.units[machine].segments[interface].kind].get("zones"):
            return False
        return probe.protocol == "icmp" or (probe.protocol, probe.port) in {("tcp", DNS), ("udp", DNS), ("udp", NTP)}

    def _unit_lets(self, code: str, interface: str, probe: Probe) -> bool:
        segment = self.units[code].segments.get(interface)
        return segment is not None and interface != TRANSIT and self._flows(segment, probe)

    def _flows(self, segment: Segment, probe: Probe) -> bool:
        roles = {
            role
            for role, first, last in self.ranges(segment)
            if number(host(segment.prefix[probe.family], first))
            <= number(probe.source)
            <= number(host(segment.prefix[probe.family], last))
        }
        return bool(roles) and any(
            flow.segment == segment.kind
            and flow.role in roles
            and flow.target[probe.family] == probe.target
            and (flow.protocol, flow.port) == (probe.protocol, probe.port)
            for flow in self.flows
        )

    def _core_lets(self, interface: str, probe: Probe) -> bool:
        if interface == OPERATOR:
            return False
        if interface.startswith("u"):
            return any(
                number(probe.source) in span(segment.prefix[probe.family]) and self._flows(segment, probe)
                for segment in self.units[interface[1:]].segments.values()
            )
        return any(
            zone == interface[:-1]
            and target[probe.family] == probe.target
            and (protocol, port) == (probe.protocol, probe.port)
            for zone, target, protocol, port in self.links
        )

    def sent_by_gateway(self, code: str, probe: Probe) -> Fate:
        """Return what must become of a packet that the unit's gateway itself sends."""
        transit = self.units[code].segments[TRANSIT]
        allowed = probe.protocol == "icmp" or self._flows(transit, probe)
        return Fate.PASSES if allowed else Fate.DENIED

    # where packets go

    def way(self, machine: str, address: int) -> Port | str:
        """Return where a machine sends a packet: out to a host by one of its interfaces, or to another machine."""
        if machine == CORE:
            for zone in self.zones.values():
                if any(address in span(zone.prefix[f]) for f in FAMILIES):
                    return Port(CORE, f"{zone.id}0")
            return self.owner(address)
        for segment in self.units[machine].segments.values():
            if segment.interface != TRANSIT and any(address in span(segment.prefix[f]) for f in FAMILIES):
                return Port(machine, segment.interface)
        return CORE

    def walk(self, probe: Probe, guarded: Callable[[str], bool]) -> tuple[Fate, Port]:
        """Return a packet's fate and where it meets it, when only some machines have their rules."""
        (machine, interface), target = probe.at, number(probe.target)
        while True:
            own = target in self.own(machine)
            fate = Fate.ANSWERED if own else Fate.PASSES
            if guarded(machine):
                fate = self.rule(machine, interface, probe)
            if fate is not Fate.PASSES:
                return fate, Port(machine, interface)
            step = self.way(machine, target)
            if isinstance(step, Port):
                return fate, step
            machine, interface = step, TRANSIT if machine == CORE else f"u{machine}"


def _yaml(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _zone(facts: dict[str, Any]) -> Zone:
    prefix = {4: facts["ipv4"], 6: facts["ipv6"]}
    digits = (facts.get("services") or facts.get("machine") or {"host": 20})["host"]
    router, server = ({f: host(prefix[f], n) for f in FAMILIES} for n in (1, digits))
    return Zone(facts["id"], prefix, router, server)


def _servers(city: dict[str, Any], systems: list[dict[str, Any]]) -> dict[str, dict[int, str]]:
    """Return the addresses of the city's servers and of the systems that have a service or applications, by name."""
    zones = {zone["id"]: zone for zone in city["zones"]}
    found = {system["id"]: _zone(zones[system["zone"]]).server for system in systems if "service" in system}
    for system in systems:
        if "apps" in system:  # they run on the cluster of their zone
            zone = zones[system["zone"]]
            found[system["id"]] = {f: host(zone[f"ipv{f}"], zone["cluster"]["host"]) for f in FAMILIES}
    for zone in zones.values():
        for name in (zone.get("machine") or {}).get("names", ()):
            found[name] = {f: host(zone[f"ipv{f}"], zone["machine"]["host"]) for f in FAMILIES}
    return found
