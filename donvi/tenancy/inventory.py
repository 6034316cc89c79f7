"""What Ansible needs to know of the city: group variables of the data centre, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from donvi.tenancy import access, names
from donvi.tenancy.certificates import MOUNTS
from donvi.tenancy.platform import NAME_SERVER
from donvi.tenancy.servers import ZONE_PORT, Server, cluster, servers, zone_services

if TYPE_CHECKING:
    from donvi.registry import City, System


SURGE = 1
"""How many pods more an app has while it changes; see ``components/workloads.py``."""
CLUSTER_PODS = 32
"""Room for the cluster's own pods: gateway, names."""


def datacentre_vars(city: City) -> dict[str, Any]:
    """Variables for ``datacentre.yml``; every name starts with ``donvi_``, every list is sorted, all is JSON."""
    settings = city.settings
    zones = {
        zone.id: {"id": zone.id, "ipv4": zone.ipv4, "ipv6": zone.ipv6, "machine": zone.machine.name}
        for zone in settings.zones
        if zone.machine
    }
    return {
        "donvi_city_id": settings.id,
        "donvi_city_name": settings.name,
        "donvi_city_domain": settings.domain,
        "donvi_cluster": found._asdict() if (found := cluster(city)) else {},
        "donvi_cluster_most_pods": _most_pods(city),
        "donvi_directory_base": settings.directory_base,
        "donvi_name_server": names.city_host(city, NAME_SERVER),
        "donvi_units": [_unit(city, code) for code in city.units],
        "donvi_platform_tsig_key": names.tsig_key("platform"),
        "donvi_transfer_tsig_key": names.tsig_key(names.TRANSFER),
        "donvi_systems": [_system(city, system) for system in city.systems.values() if _stands_in(system)],
        "donvi_pki_mounts": sorted({mount.removeprefix("pki-") for mount in {*MOUNTS.values(), access.MOUNT}}),
        "donvi_cluster_administrators": access.administrators(city),
        "donvi_transit_keys": ["platform"],
        "donvi_zone_services": [_zone_service(city, name, server) for name, server in zone_services(city).items()],
        "donvi_zones": [zones[name] for name in sorted(zones)],
        "donvi_servers": [_server(city, name, server) for name, server in servers(city).items()],
    }


def _most_pods(city: City) -> int:
    """Return how many pods all units have at most, each site with one more while it changes, and the cluster itself."""
    of_unit = sum(app.replicas + SURGE for system in city.systems.values() for app in system.apps)
    return of_unit * len(city.units) + CLUSTER_PODS


def _stands_in(system: System) -> bool:
    return system.service is not None and system.service.server == "stand-in"


def _unit(city: City, code: str) -> dict[str, str]:
    numbers = city.allotments[code]
    return {
        "code": code,
        "slug": numbers.slug,
        "domain": names.unit_domain(city, numbers),
        "tsig_key": names.tsig_key(code),
    }


def _system(city: City, system: System) -> dict[str, Any]:
    service = system.service
    return {
        "id": system.id,
        "name": system.name,
        "host": names.city_host(city, system.id),
        "port": service.port if service else 0,
        "zone": system.zone,
        "machine": servers(city)[system.id].machine,
        "unit_bound": bool(service and service.unit_bound),
        "roles": sorted(role.id for role in system.roles),
    }


def _zone_service(city: City, name: str, server: Server) -> dict[str, Any]:
    """Return what answers in a zone that may have no system yet: a system without roles, for machines alone."""
    return {
        "id": name,
        "name": next(zone.title for zone in city.settings.zones if zone.id == server.zone),
        "host": names.city_host(city, name),
        "port": ZONE_PORT,
        "zone": server.zone,
        "machine": name,
        "unit_bound": True,
        "roles": [],
    }


def _server(city: City, name: str, server: Server) -> dict[str, str]:
    return {"name": name, "host": names.city_host(city, name), "ipv4": server.ipv4, "ipv6": server.ipv6}
