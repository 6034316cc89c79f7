"""Reads from the city's data what the lab needs: zones and their machines, systems with a service, the units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.errors import DataError, UsageError
from donvi.registry import load_city
from donvi.registry.addresses import address
from donvi.tenancy import describe
from donvi.tenancy.inventory import datacentre_vars
from donvi.tenancy.network import zone_networks
from donvi.tenancy.platform import NAME_SERVER
from donvi.tenancy.servers import cluster, servers, zone_services
from lab.topology import CityPlan, SystemPlace, ZoneServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.registry import City, Zone
    from donvi.registry.model import ZoneMachine
    from lab.settings import LabSettings

CENTRE = "dc"
PILOTS, PILOT_WAVE = "pilots", 1
"""The word in ``DONVI_LAB_UNITS`` that stands for all pilot units, and their wave in ``units.csv``."""


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
        units=tuple(describe(city, code) for code in machine_units(city, settings)),
        variables=datacentre_vars(city),
    )


def machine_units(city: City, settings: LabSettings) -> tuple[str, ...]:
    """Return the codes of the units that have machines in the lab: those asked for, else one pilot per locality.

    Every unit may have a stack; one without machines gets all that needs none (``donvi.tenancy.presence``).

    :raises UsageError: the settings name a unit that the city doesn't have.
    """
    pilots = sorted(code for code, unit in city.units.items() if unit.wave == PILOT_WAVE)
    if not settings.units:
        first = {city.units[code].locality: code for code in reversed(pilots)}
        return tuple(sorted(first.values()))
    found = dict.fromkeys(code for word in settings.units for code in (pilots if word == PILOTS else (word,)))
    if strange := [code for code in found if code not in city.units]:
        raise UsageError(
            f"DONVI_LAB_UNITS names {', '.join(strange)}: no unit of {city.settings.name}",
            hint=f"`donvi units` lists the codes; the word {PILOTS} stands for all pilot units",
        )
    return tuple(found)


def _servers(city: City, zone: Zone) -> Iterator[ZoneServer]:
    """Return a zone's machines: the city's own server, and the one that answers for the zone's systems."""
    if zone.machine:
        yield _server(city, zone, zone.machine, "datacentre")
    if zone.services:
        yield _server(city, zone, zone.services, "zone")
    if zone.cluster:
        inside = cluster(city)
        yield _server(city, zone, zone.cluster, "cluster", (inside.api,) if inside else ())


def _server(city: City, zone: Zone, machine: ZoneMachine, role: str, inside: tuple[str, ...] = ()) -> ZoneServer:
    """Return a machine with a certificate of every name that answers there."""
    addresses = address(zone.ipv4, machine.host), address(zone.ipv6, machine.host)
    answering = {**servers(city), **zone_services(city)}
    services = tuple(name for name, server in answering.items() if server.machine == machine.name)
    return ZoneServer(machine.name, role, zone.id, *addresses, services, inside)


def _places(city: City) -> Iterator[SystemPlace]:
    """Return where every system with a service answers."""
    found = servers(city)
    for system in city.systems.values():
        if system.service:
            yield SystemPlace(system.id, found[system.id].machine, system.service.port)
