"""Which machines the lab has and how they are connected: a pure function of the city's description.

A zone's network, and every segment behind a unit's gateway, is a switch inside its router: a bridge that carries the
router's address and the name that the router's rules know (``donvi.tenancy.names``), whether something is plugged in or
not. So the rendered rulesets apply as they are. The link between a gateway and the core router has no switch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING, Any

from donvi.tenancy.machines import ROUTER
from donvi.tenancy.names import router_interface
from lab.settings import link_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from donvi.tenancy.model import Endpoint, Segment, Tenancy, ZoneNetwork

FIXED_NUMBERS = {ROUTER: 2, "dc": 3}
FIRST_NUMBER = 16
TRANSIT = "transit"


@dataclass(frozen=True, slots=True)
class ZoneServer:
    """A machine in a zone's network.

    :param role: datacentre (the city's own servers), zone (answers for the zone's systems) or cluster (runs its apps).
    :param services: host names below the city's domain for which it holds a certificate.
    :param inside: addresses that it answers to within itself only, likewise in its certificates.
    """

    name: str
    role: str
    zone: str
    ipv4: str
    ipv6: str
    services: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemPlace:
    """Where a system answers."""

    system: str
    machine: str
    port: int


@dataclass(frozen=True, slots=True)
class CityPlan:
    """What the lab must know of the city.

    :param name_server: address of the server that resolves names.
    :param variables: what the playbooks know of the city.
    """

    domain: str
    name_server: str
    zones: tuple[ZoneNetwork, ...]
    servers: tuple[ZoneServer, ...]
    systems: tuple[SystemPlace, ...]
    units: tuple[Tenancy, ...]
    variables: Mapping[str, Any] = field(default_factory=dict)

    def machine_names(self) -> list[str]:
        """Return every machine, in the order in which new ones get their numbers."""
        ends = [end for unit in self.units for end in unit.endpoints]
        first = [end.id for end in ends if end.role == "gateway"]
        others = [end.id for end in ends if end.role != "gateway"]
        return [ROUTER, *(server.name for server in self.servers), *first, *others]


@dataclass(frozen=True, slots=True)
class Switch:
    """A network inside its router: a bridge with the router's address."""

    machine: str
    name: str
    address4: IPv4Interface
    address6: IPv6Interface


@dataclass(frozen=True, slots=True)
class Port:
    """One end of a data link: it has addresses, or is plugged into a switch of its machine."""

    machine: str
    name: str
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    switch: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A point-to-point data link; both ends are inside machines."""

    left: Port
    right: Port


@dataclass(frozen=True, slots=True)
class Route:
    """A static route of a machine; without ``via``, the destination doesn't exist there."""

    machine: str
    destination: IPv4Network | IPv6Network
    via: IPv4Address | IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine.

    :param number: its number on the management network; never given to another machine.
    :param role: router, datacentre, zone, cluster, or the role of a unit's endpoint: gateway, workstation.
    :param data4: its address in the city's networks, likewise ``data6``.
    :param resolvers: whom it asks for names.
    :param services: host names for which the machine holds a certificate of the lab's root.
    :param inside: addresses that it answers to within itself only.
    """

    name: str
    number: int
    role: str
    fqdn: str
    data4: IPv4Address
    data6: IPv6Address
    resolvers: tuple[str, ...]
    forwards: bool = False
    services: tuple[str, ...] = ()
    inside: tuple[IPv4Address | IPv6Address, ...] = ()
    zone: str = ""
    unit: str = ""

    @property
    def likeness(self) -> str:
        """What can't change while the machine runs; certificates can."""
        return f"{self.fqdn} {self.number} {self.data4} {self.data6} {'router' if self.forwards else 'host'}"


@dataclass(frozen=True, slots=True)
class Topology:
    """All machines, switches, links and routes, in a fixed order."""

    domain: str
    machines: tuple[Machine, ...]
    switches: tuple[Switch, ...]
    links: tuple[Link, ...]
    routes: tuple[Route, ...]

    def machine(self, name: str) -> Machine | None:
        """Return a machine by name."""
        return next((machine for machine in self.machines if machine.name == name), None)

    def ports(self, machine: str) -> list[Port]:
        """Return a machine's ends of data links."""
        return [port for link in self.links for port in (link.left, link.right) if port.machine == machine]

    def switches_of(self, machine: str) -> list[Switch]:
        """Return the switches inside a machine."""
        return [switch for switch in self.switches if switch.machine == machine]


def numbers(known: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    """Give each machine a number on the management network; who has one keeps it, also while it is gone."""
    given = dict(known)
    for name in names:
        if name not in given:
            given[name] = FIXED_NUMBERS.get(name) or max([FIRST_NUMBER - 1, *given.values()]) + 1
    return given


def build(plan: CityPlan, numbers: Mapping[str, int]) -> Topology:
    """Lay out the machines of a city: the core router, the zones around it, a gateway per unit and what is behind it.

    :param numbers: number of each machine on the management network (:func:`numbers`).
    """
    layout = _Layout(plan, numbers)
    layout.add_core()
    for server in plan.servers:
        layout.add_server(server)
    for unit in plan.units:
        for end in unit.endpoints:
            if end.role == "gateway":
                layout.add_gateway(unit, end)
            else:
                layout.add_endpoint(unit, end)
    return layout.topology()


class _Layout:
    """Collects what the topology is made of."""

    def __init__(self, plan: CityPlan, numbers: Mapping[str, int]) -> None:
        self._plan, self._numbers = plan, numbers
        self._zones = {zone.id: zone for zone in plan.zones}
        self._machines: list[Machine] = []
        self._switches: list[Switch] = []
        self._links: list[Link] = []
        self._routes: list[Route] = []

    def topology(self) -> Topology:
        return Topology(
            self._plan.domain, tuple(self._machines), tuple(self._switches), tuple(self._links), tuple(self._routes)
        )

    def add_core(self) -> None:
        """Add the core router with a switch per zone."""
        home = next(self._zones[server.zone] for server in self._plan.servers if server.role == "datacentre")
        fqdn = f"{ROUTER}.{self._plan.domain}"
        self._add_machine(ROUTER, "router", fqdn, _first(home), forwards=True)
        for zone in self._plan.zones:
            self._switches.append(_switch(ROUTER, zone.interface, zone))

    def add_server(self, server: ZoneServer) -> None:
        """Add a machine of a zone."""
        zone, fqdn = self._zones[server.zone], f"{server.name}.{self._plan.domain}"
        addresses = (server.ipv4, server.ipv6)
        more = {"services": server.services, "zone": server.zone, "forwards": server.role == "cluster"}
        more["inside"] = tuple(map(ip_address, server.inside))
        self._add_machine(server.name, server.role, fqdn, addresses, **more)
        self._plug(ROUTER, zone.interface, _port(server.name, zone.interface, addresses, zone))
        self._route_everything(server.name, _first(zone))

    def add_gateway(self, unit: Tenancy, end: Endpoint) -> None:
        """Add a unit's gateway, its link to the core router, and a switch for every other segment."""
        code, own = unit.unit.code, (end.ipv4, end.ipv6)
        transit = next(segment for segment in unit.segments if segment.kind == TRANSIT)
        self._add_machine(end.id, end.role, _fqdn(unit, end), own, forwards=True, unit=code)
        core = _port(ROUTER, router_interface(code), (transit.gateway4, transit.gateway6), transit)
        self._links.append(Link(core, _port(end.id, transit.interface, own, transit)))
        for segment in unit.segments:
            if segment != transit:
                self._switches.append(_switch(end.id, segment.interface, segment))
        for prefix, via in zip((unit.unit.ipv4, unit.unit.ipv6), own, strict=True):
            self._routes += [Route(ROUTER, ip_network(prefix), ip_address(via)), Route(end.id, ip_network(prefix))]
        self._route_everything(end.id, (transit.gateway4, transit.gateway6))

    def add_endpoint(self, unit: Tenancy, end: Endpoint) -> None:
        """Add a machine in a segment behind the unit's gateway."""
        segment = next(s for s in unit.segments if (s.site, s.kind) == (end.site, end.segment))
        gateway = next(other.id for other in unit.endpoints if other.role == "gateway")
        router, own = (segment.gateway4, segment.gateway6), (end.ipv4, end.ipv6)
        self._add_machine(end.id, end.role, _fqdn(unit, end), own, resolvers=router, unit=unit.unit.code)
        self._plug(gateway, segment.interface, _port(end.id, segment.interface, own, segment))
        self._route_everything(end.id, router)

    def _add_machine(self, name: str, role: str, fqdn: str, addresses: tuple[str, str], **more: Any) -> None:
        more = {"resolvers": (self._plan.name_server,)} | more
        data4, data6 = IPv4Address(addresses[0]), IPv6Address(addresses[1])
        self._machines.append(Machine(name, self._numbers[name], role, fqdn, data4, data6, **more))

    def _plug(self, router: str, switch: str, port: Port) -> None:
        self._links.append(Link(Port(router, link_name("p-", port.machine), switch=switch), port))

    def _route_everything(self, machine: str, via: tuple[str, str]) -> None:
        for destination, hop in zip(("0.0.0.0/0", "::/0"), via, strict=True):
            self._routes.append(Route(machine, ip_network(destination), ip_address(hop)))


def _fqdn(unit: Tenancy, end: Endpoint) -> str:
    return f"{end.id.removesuffix(f'-{unit.unit.code}')}.{unit.unit.domain}"


def _first(network: Segment | ZoneNetwork) -> tuple[str, str]:
    """Return the router's addresses in a network."""
    return str(IPv4Network(network.ipv4)[1]), str(IPv6Network(network.ipv6)[1])


def _interfaces(addresses: tuple[str, str], network: Segment | ZoneNetwork) -> tuple[IPv4Interface, IPv6Interface]:
    return (
        IPv4Interface(f"{addresses[0]}/{IPv4Network(network.ipv4).prefixlen}"),
        IPv6Interface(f"{addresses[1]}/{IPv6Network(network.ipv6).prefixlen}"),
    )


def _switch(machine: str, name: str, network: Segment | ZoneNetwork) -> Switch:
    return Switch(machine, name, *_interfaces(_first(network), network))


def _port(machine: str, name: str, addresses: tuple[str, str], network: Segment | ZoneNetwork) -> Port:
    return Port(machine, name, _interfaces(addresses, network))
