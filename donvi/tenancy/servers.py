"""The city's servers by host name: which zone each stands in, and at which addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from donvi.registry.addresses import address

if TYPE_CHECKING:
    from donvi.registry import City, Zone


class Server(NamedTuple):
    """Where a host name answers."""

    zone: str
    ipv4: str
    ipv6: str


def servers(city: City) -> dict[str, Server]:
    """Return the names directly below the city's domain that have a server, sorted by name."""
    zones = {zone.id: zone for zone in city.settings.zones}
    found = {
        name: _server(zone, zone.machine.host) for zone in zones.values() if zone.machine for name in zone.machine.names
    }
    found.update({system.id: zone_server(zones[system.zone]) for system in city.systems.values() if system.service})
    return dict(sorted(found.items()))


def zone_server(zone: Zone) -> Server:
    """Return the machine that answers for the systems of a zone; the registry made sure that there is one."""
    machine = zone.services or zone.machine
    return _server(zone, machine.host if machine else 0)


def _server(zone: Zone, host: int) -> Server:
    return Server(zone.id, address(zone.ipv4, host), address(zone.ipv6, host))
