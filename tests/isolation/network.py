"""The city's network in scratch namespaces: a router, a gateway per unit, and all hosts in one more namespace.

Hosts need no addresses of their own: packets are put on their ends of the links and read from there, so that one
process is every workstation and every server. The kernel's own checks of sources are off: what drops a
forged packet is the rules.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.isolation import netns
from tests.isolation.oracle import CORE, FAMILIES, OPERATOR, OPERATOR_NET, TRANSIT, Port, World, host

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTS = "hosts"
EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
MACHINE_SIDE, HOST_SIDE = 1, 2
FORWARDING = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/all/accept_local": "1",
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
    "ipv4/icmp_ratelimit": "0",
    "ipv6/conf/all/forwarding": "1",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/default/accept_ra": "0",
    "ipv6/icmp/ratelimit": "0",
}
SILENT = {"ipv6/conf/all/disable_ipv6": "1", "ipv6/conf/default/disable_ipv6": "1"}


class Network:
    """Where packets can be put in and come out: every port of a machine that leads to hosts."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.machines = (CORE, *world.units)
        self.links: dict[Port, str] = {port: f"h{index}" for index, port in enumerate(self._ports())}
        self.ports = {link: port for port, link in self.links.items()}

    def _ports(self) -> Iterator[Port]:
        for zone in self.world.zones.values():
            yield Port(CORE, f"{zone.id}0")
        for unit in self.world.units.values():
            yield from (Port(unit.code, name) for name in unit.segments if name != TRANSIT)
        yield from (Port(machine, OPERATOR) for machine in self.machines)

    def mac(self, port: Port, side: int) -> str:
        """Return the MAC address of one side of a link to hosts."""
        index = int(self.links[port][1:])
        return f"02:00:00:{index >> 8:02x}:{index & 255:02x}:{side:02x}"

    def build(self) -> None:
        """Make it all; nothing filters yet."""
        netns.remove_all()
        netns.make((HOSTS, *self.machines))
        for machine in (HOSTS, *self.machines):
            with netns.inside(machine):
                for key, value in (SILENT if machine == HOSTS else FORWARDING).items():
                    Path("/proc/sys/net", key).write_text(value)
        netns.links(self._wires())
        netns.configure(HOSTS, [f"link set {link} up" for link in self.links.values()])
        netns.configure(CORE, self._router())
        for code in self.world.units:
            netns.configure(code, self._gateway(code))

    def _wires(self) -> Iterator[str]:
        for port, link in self.links.items():
            near, far = (self.mac(port, side) for side in (MACHINE_SIDE, HOST_SIDE))
            there, here = netns.scratch(HOSTS), netns.scratch(port.machine)
            yield (
                f"link add {link} address {far} netns {there} type veth "
                f"peer name {port.interface} address {near} netns {here}"
            )
        for code in self.world.units:
            core, gateway = netns.scratch(CORE), netns.scratch(code)
            yield f"link add u{code} netns {core} type veth peer name {TRANSIT} netns {gateway}"

    def _router(self) -> Iterator[str]:
        yield "link set lo up"
        for zone in self.world.zones.values():
            port = Port(CORE, f"{zone.id}0")
            yield from self._leg(port, zone.prefix, 1, {9, 10, 11, 20, 30})
        yield from self._operator(CORE)
        for unit in self.world.units.values():
            transit = unit.segments[TRANSIT]
            yield from _addresses(f"u{unit.code}", transit.prefix, 1)
            yield from (f"route add {unit.prefix[f]} via {host(transit.prefix[f], 2)}" for f in FAMILIES)

    def _gateway(self, code: str) -> Iterator[str]:
        yield "link set lo up"
        for segment in self.world.units[code].segments.values():
            if segment.interface == TRANSIT:
                yield from _addresses(TRANSIT, segment.prefix, 2)
                yield from (f"route add {EVERYWHERE[f]} via {host(segment.prefix[f], 1)}" for f in FAMILIES)
            else:
                yield from self._leg(Port(code, segment.interface), segment.prefix, 1, self.known_hosts(segment.kind))
        yield from self._operator(code)

    def known_hosts(self, kind: str) -> set[int]:
        """Return the host numbers in a kind of segment to which packets can be delivered."""
        return {10, *(numbers[0] for segment, _, numbers, _ in self.world.roles if segment == kind)}

    def _leg(self, port: Port, prefix: dict[int, str], own: int, hosts: set[int]) -> Iterator[str]:
        yield from _addresses(port.interface, prefix, own)
        far = self.mac(port, HOST_SIDE)
        for number in sorted(hosts):
            for family in FAMILIES:
                address = host(prefix[family], number)
                yield f"neigh add {address} lladdr {far} dev {port.interface} nud permanent"

    def _operator(self, machine: str) -> Iterator[str]:
        port = Port(machine, OPERATOR)
        yield f"address add {host(OPERATOR_NET, 1)}/24 dev {OPERATOR}"
        yield f"link set {OPERATOR} up"
        yield f"neigh add {host(OPERATOR_NET, 2)} lladdr {self.mac(port, HOST_SIDE)} dev {OPERATOR} nud permanent"


def _addresses(interface: str, prefix: dict[int, str], digits: int) -> Iterator[str]:
    for family in FAMILIES:
        length = prefix[family].partition("/")[2]
        yield f"address add {host(prefix[family], digits)}/{length} dev {interface}" + (" nodad" if family == 6 else "")
    yield f"link set {interface} up"
