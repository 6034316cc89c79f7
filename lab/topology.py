"""Which machines the lab has and how they are connected: a pure function of the city's description."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIRST_GATEWAY_NUMBER = 16


@dataclass(frozen=True, slots=True)
class UnitNetworks:
    """A unit's prefixes and the segment that connects its gateway with the core router."""

    code: str
    slug: str
    prefix4: IPv4Network
    prefix6: IPv6Network
    transit4: IPv4Network
    transit6: IPv6Network


@dataclass(frozen=True, slots=True)
class CityPlan:
    """What the lab must know of the city.

    :param host: number of the zone's server in its networks.
    :param names: host names of the shared servers, below ``domain``.
    :param systems: port of every system that has a service, by the system's id.
    :param variables: what the playbooks know of the city.
    """

    domain: str
    zone4: IPv4Network
    zone6: IPv6Network
    host: int
    names: tuple[str, ...]
    systems: tuple[tuple[str, int], ...]
    units: tuple[UnitNetworks, ...]
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Port:
    """One end of a data link."""

    machine: str
    name: str
    address4: IPv4Interface
    address6: IPv6Interface


@dataclass(frozen=True, slots=True)
class Link:
    """A point-to-point data link; both ends are inside machines."""

    left: Port
    right: Port


@dataclass(frozen=True, slots=True)
class Route:
    """A static route of a machine."""

    machine: str
    destination: IPv4Network | IPv6Network
    via: IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine.

    :param number: its number on the management network; never given to another machine.
    :param role: router, datacentre or gateway.
    :param data4: its address in the city's networks, likewise ``data6``.
    :param services: host names for which the machine holds a certificate of the lab's root.
    """

    name: str
    number: int
    role: str
    fqdn: str
    data4: IPv4Address
    data6: IPv6Address
    forwards: bool
    services: tuple[str, ...] = ()
    unit: str = ""

    @property
    def likeness(self) -> str:
        """What can't change while the machine runs; certificates can."""
        return f"{self.fqdn} {self.number} {self.data4} {self.data6} {'router' if self.forwards else 'host'}"


@dataclass(frozen=True, slots=True)
class Topology:
    """All machines, links and routes, in a fixed order."""

    domain: str
    resolver: IPv4Address
    machines: tuple[Machine, ...]
    links: tuple[Link, ...]
    routes: tuple[Route, ...]

    def machine(self, name: str) -> Machine | None:
        """Return a machine by name."""
        return next((machine for machine in self.machines if machine.name == name), None)

    def ports(self, machine: str) -> list[Port]:
        """Return a machine's ends of data links."""
        return [port for link in self.links for port in (link.left, link.right) if port.machine == machine]


def gateway_numbers(known: dict[str, int], codes: Sequence[str]) -> dict[str, int]:
    """Give each unit's gateway a number on the management network; who has one keeps it."""
    numbers = dict(known)
    for code in codes:
        if code not in numbers:
            numbers[code] = max([FIRST_GATEWAY_NUMBER - 1, *numbers.values()]) + 1
    return numbers


def build(plan: CityPlan, numbers: dict[str, int]) -> Topology:
    """Lay out the machines of a city: the core router, the data centre behind it, a gateway per unit.

    :param numbers: number of each unit's gateway on the management network, by code (:func:`gateway_numbers`).
    """
    core4, core6 = plan.zone4[1], plan.zone6[1]
    server4, server6 = plan.zone4[plan.host], plan.zone6[int(str(plan.host), 16)]  # .10 and ::10
    core = Machine("core", 2, "router", f"core.{plan.domain}", core4, core6, forwards=True)
    services = tuple(dict.fromkeys([*plan.names, *(system for system, _ in plan.systems)]))
    centre = Machine("dc", 3, "datacentre", f"dc.{plan.domain}", server4, server6, forwards=False, services=services)
    machines, routes = [core, centre], default_routes("dc", core4, core6)
    zone = (plan.zone4, plan.zone6)
    left, right = _port("core", "gov0", (core4, core6), zone), _port("dc", "gov0", (server4, server6), zone)
    links = [Link(left, right)]
    for unit in plan.units:
        machine, link, more = _gateway(plan.domain, unit, numbers[unit.code])
        machines.append(machine)
        links.append(link)
        routes += more
    return Topology(plan.domain, server4, tuple(machines), tuple(links), tuple(routes))


def default_routes(machine: str, via4: IPv4Address, via6: IPv6Address) -> list[Route]:
    """Return a machine's default routes, for both families."""
    return [Route(machine, IPv4Network("0.0.0.0/0"), via4), Route(machine, IPv6Network("::/0"), via6)]


def _gateway(domain: str, unit: UnitNetworks, number: int) -> tuple[Machine, Link, list[Route]]:
    """Return a unit's gateway, its link to the core router and the routes of both."""
    name, near4, near6 = f"gw-{unit.code}", unit.transit4[2], unit.transit6[2]
    far4, far6 = unit.transit4[1], unit.transit6[1]
    fqdn = f"gw.{unit.slug}.{domain}"
    machine = Machine(name, number, "gateway", fqdn, near4, near6, forwards=True, unit=unit.code)
    transit = (unit.transit4, unit.transit6)
    link = Link(_port("core", f"u{unit.code}", (far4, far6), transit), _port(name, "transit0", (near4, near6), transit))
    routes = [Route("core", unit.prefix4, near4), Route("core", unit.prefix6, near6)]
    return machine, link, routes + default_routes(name, far4, far6)


def _port(
    machine: str, name: str, addresses: tuple[IPv4Address, IPv6Address], networks: tuple[IPv4Network, IPv6Network]
) -> Port:
    (address4, address6), (net4, net6) = addresses, networks
    interface4 = IPv4Interface(f"{address4}/{net4.prefixlen}")
    return Port(machine, name, interface4, IPv6Interface(f"{address6}/{net6.prefixlen}"))
