"""Reads from the city's data what the lab needs: zones and their machines, systems with a service, the units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.errors import DataError, UsageError
from donvi.registry import load_city
from donvi.registry.addresses import address
from donvi.registry.model import ZoneMachine
from donvi.tenancy import describe
from donvi.tenancy.inventory import datacentre_vars
from donvi.tenancy.network import zone_networks
from donvi.tenancy.platform import NAME_SERVER
from donvi.tenancy.servers import servers
from lab.topology import CityPlan, SystemPlace, ZoneServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.registry import City, Zone
    from donvi.tenancy.model import Tenancy
    from lab.settings import LabSettings

CENTRE = "dc"
PREPARED_HOST = 20
"""Host number of a zone's machine that stands ready while the city's data lets the zone's own server answer."""


def read(settings: LabSettings) -> CityPlan:
    """Return what the lab needs to know of the city.

    :raises DataError: the city's data is wrong, or has no zone with the data centre's server.
    :raises UsageError: the settings name a unit that the city doesn't have.
    """
    city = load_city()
    if not any(zone.machine and zone.machine.name == CENTRE for zone in city.settings.zones):
        raise DataError(
            f"no zone has a machine named {CENTRE}",
            file=f"{city.path}/city.yaml",
            hint="give the zone of the shared servers `machine: {name: dc, …}`",
        )
    return CityPlan(
        domain=city.settings.domain,
        name_server=servers(city)[NAME_SERVER].ipv4,
        zones=zone_networks(city),
        servers=tuple(server for zone in city.settings.zones for server in _servers(city, zone)),
        systems=tuple(_places(city)),
        units=tuple(_unit(city, code) for code in settings.units or sorted(city.people)),
        variables=datacentre_vars(city),
    )


def _servers(city: City, zone: Zone) -> Iterator[ZoneServer]:
    """Return a zone's machines: the city's own server, and the one that answers for the zone's systems.

    The city's own server holds a certificate of every system, because the stand-in services run there.
    """
    every = [system.id for system in city.systems.values() if system.service]
    if zone.machine:
        yield _server(zone, zone.machine, "datacentre", (*zone.machine.names, *every))
    if zone.machine or zone.services:
        machine = zone.services or ZoneMachine(name=f"zone-{zone.id}", host=PREPARED_HOST)
        own = [id_ for id_ in every if city.systems[id_].zone == zone.id and not _is_server(city, id_)]
        yield _server(zone, machine, "zone", (*machine.names, *own))


def _server(zone: Zone, machine: ZoneMachine, role: str, services: tuple[str, ...]) -> ZoneServer:
    addresses = address(zone.ipv4, machine.host), address(zone.ipv6, machine.host)
    return ZoneServer(machine.name, role, zone.id, *addresses, tuple(dict.fromkeys(services)))


def _is_server(city: City, name: str) -> bool:
    """Say whether a system is one of the city's own servers, such as mail."""
    return any(zone.machine and name in zone.machine.names for zone in city.settings.zones)


def _places(city: City) -> Iterator[SystemPlace]:
    """Return where every system with a service answers; the registry made sure that its zone has a machine."""
    zones = {zone.id: zone for zone in city.settings.zones}
    for system in city.systems.values():
        zone = zones[system.zone]
        machine = zone.machine if _is_server(city, system.id) else zone.services or zone.machine
        if system.service and machine:
            yield SystemPlace(system.id, machine.name, system.service.port)


def _unit(city: City, code: str) -> Tenancy:
    if code not in city.units:
        raise UsageError(f"DONVI_LAB_UNITS names {code}, which isn't a unit of {city.settings.name}")
    return describe(city, code)
