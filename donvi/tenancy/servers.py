"""The city's servers by host name: on which machine of which zone each answers, and at which addresses.

Names that a machine lists answer there, whether or not they are a system's too (mail); other systems answer on the
machine of their zone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from donvi.registry.addresses import address

if TYPE_CHECKING:
    from donvi.registry import City, Zone
    from donvi.registry.model import ZoneMachine


ZONE_PORT = 8450
"""Where the machine of each zone answers whoever shows a unit's certificate, so that every zone has a live target."""


class Cluster(NamedTuple):
    """The node that runs the city's apps, and the networks inside it.

    :param api: address at which pods reach the cluster's API, ``dns`` at which they ask for names.
    """

    machine: str
    pods: str
    services: str
    api: str
    dns: str


class Server(NamedTuple):
    """Where a host name answers."""

    zone: str
    machine: str
    ipv4: str
    ipv6: str


def servers(city: City) -> dict[str, Server]:
    """Return the names directly below the city's domain that have a server, sorted by name."""
    zones = {zone.id: zone for zone in city.settings.zones}
    found = {system.id: zone_server(zones[system.zone]) for system in city.systems.values() if system.service}
    for zone in zones.values():
        for machine in zone.named:
            found |= dict.fromkeys(machine.names, _server(zone, machine))
    return dict(sorted(found.items()))


def zone_services(city: City) -> dict[str, Server]:
    """Return the machines that answer for a zone's systems by their own name; each also answers at ZONE_PORT."""
    found = {zone.services.name: _server(zone, zone.services) for zone in city.settings.zones if zone.services}
    return dict(sorted(found.items()))


def cluster(city: City) -> Cluster | None:
    """Return the city's cluster, if it has one; its Services' first address is the API's, the tenth the names'."""
    found = next((zone.cluster for zone in city.settings.zones if zone.cluster), None)
    if found is None:
        return None
    return Cluster(found.name, found.pods, found.services, address(found.services, 1), address(found.services, 10))


def zone_server(zone: Zone) -> Server:
    """Return the machine that answers for the systems of a zone; the registry made sure that there is one."""
    machine = zone.services or zone.machine
    if machine is None:
        raise ValueError(f"zone {zone.id} has no machine")
    return _server(zone, machine)


def app_gateway(zone: Zone) -> Server:
    """Return where the apps of a zone are reached: the cluster's gateway; the registry made sure that there is one."""
    if zone.cluster is None:
        raise ValueError(f"zone {zone.id} has no cluster")
    return _server(zone, zone.cluster)


def _server(zone: Zone, machine: ZoneMachine) -> Server:
    return Server(zone.id, machine.name, address(zone.ipv4, machine.host), address(zone.ipv6, machine.host))
