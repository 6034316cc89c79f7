"""Reads from the city's data what the lab needs: zone, servers, systems with a service, the units' networks."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from donvi.errors import DataError, UsageError
from donvi.registry import load_city
from donvi.registry.addresses import subnet
from donvi.tenancy.inventory import datacentre_vars
from lab.topology import CityPlan, UnitNetworks

if TYPE_CHECKING:
    from donvi.registry import Allotment, City, Zone
    from lab.settings import LabSettings

CENTRE = "dc"
TRANSIT = "transit"


def read(settings: LabSettings) -> CityPlan:
    """Return what the lab needs to know of the city.

    :raises DataError: the city's data is wrong, or has no zone with the data centre's server.
    :raises UsageError: the settings name a unit that the city doesn't have.
    """
    city = load_city()
    zone = _centre(city)
    if zone.machine is None:
        raise DataError("the data centre's zone has no server", file=f"{city.path}/city.yaml")
    return CityPlan(
        domain=city.settings.domain,
        zone4=IPv4Network(zone.ipv4),
        zone6=IPv6Network(zone.ipv6),
        host=zone.machine.host,
        names=zone.machine.names,
        systems=tuple((id_, system.service.port) for id_, system in city.systems.items() if system.service),
        units=tuple(_networks(city, code) for code in settings.units or sorted(city.people)),
        variables=datacentre_vars(city),
    )


def _centre(city: City) -> Zone:
    for zone in city.settings.zones:
        if zone.machine and zone.machine.name == CENTRE:
            return zone
    raise DataError(
        f"no zone has a machine named {CENTRE}",
        file=f"{city.path}/city.yaml",
        hint="give the zone of the shared servers `machine: {name: dc, …}`",
    )


def _networks(city: City, code: str) -> UnitNetworks:
    """Return a unit's prefixes, and those of the segment to the core router."""
    if code not in city.allotments:
        raise UsageError(f"DONVI_LAB_UNITS names {code}, which isn't a unit of {city.settings.name}")
    allotment: Allotment = city.allotments[code]
    number = next(segment.number for segment in city.settings.segments if segment.kind == TRANSIT)
    return UnitNetworks(
        code=code,
        slug=allotment.slug,
        prefix4=IPv4Network(allotment.ipv4),
        prefix6=IPv6Network(allotment.ipv6),
        transit4=IPv4Network(str(subnet(allotment.ipv4, 24, number))),
        transit6=IPv6Network(str(subnet(allotment.ipv6, 64, number))),
    )
