"""Segments, machines, flows and DNS of a unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.registry.addresses import address, subnet
from donvi.tenancy import names
from donvi.tenancy.apps import app_host
from donvi.tenancy.model import DnsRecord, Endpoint, Flow, Hosts, Segment, ZoneNetwork
from donvi.tenancy.servers import app_gateway, servers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from donvi.registry import City, Site, System
    from donvi.registry.model import FlowRule, SegmentKind
    from donvi.tenancy.model import UnitFacts
    from donvi.tenancy.servers import Server

MAIN = "main"
TRANSIT = "transit"
FURTHER_FIRST = 6
"""The /24 of the unit's /20 that the first further site has, after the segments of the main site."""


def segments(city: City, facts: UnitFacts) -> tuple[Segment, ...]:
    """Return the segments of all sites; sorted by id. The first address of each is its gateway.

    Number n at the main site is the n-th /24 and /64 of the unit. Further site k has the /24 number 5 + k, parted into
    /27, and the /64 number 16k + n. So a site's numbers follow from its own number alone, and adding one renumbers
    nobody. A further site has no transit segment: its uplink ends at the unit's gateway.
    """
    found = [
        _segment(facts, site, kind)
        for site in city.sites[facts.code]
        for kind in city.settings.segments
        if site.number == 0 or kind.kind != TRANSIT
    ]
    return tuple(sorted(found, key=lambda segment: segment.id))


def _segment(facts: UnitFacts, site: Site, kind: SegmentKind) -> Segment:
    if site.number == 0:
        ipv4 = str(subnet(facts.ipv4, 24, kind.number))
    else:
        ipv4 = str(subnet(str(subnet(facts.ipv4, 24, FURTHER_FIRST + site.number - 1)), 27, kind.number))
    ipv6 = str(subnet(facts.ipv6, 64, 16 * site.number + kind.number))
    return Segment(
        id=f"{site.id}/{kind.kind}",
        site=site.id,
        kind=kind.kind,
        interface=names.segment_interface(kind.kind, site.number),
        zones=kind.zones,
        vlan=kind.vlan + site.number,
        ipv4=ipv4,
        ipv6=ipv6,
        gateway4=address(ipv4, 1),
        gateway6=address(ipv6, 1),
    )


def hosts(city: City, networks: tuple[Segment, ...]) -> tuple[Hosts, ...]:
    """Return the addresses that each kind of machine has in each segment; sorted by id."""
    found = []
    for segment in networks:
        for rule in city.settings.hosts:
            numbers = rule.main if segment.site == MAIN else rule.further
            if rule.segment == segment.kind and numbers is not None:
                found.append(_hosts(segment, rule.role, *numbers))
    return tuple(sorted(found, key=lambda item: item.id))


def _hosts(segment: Segment, role: str, first: int, last: int) -> Hosts:
    return Hosts(
        id=f"{segment.id}/{role}",
        site=segment.site,
        segment=segment.kind,
        role=role,
        first4=address(segment.ipv4, first),
        last4=address(segment.ipv4, last),
        first6=address(segment.ipv6, first),
        last6=address(segment.ipv6, last),
    )


def zone_networks(city: City) -> tuple[ZoneNetwork, ...]:
    """Return the networks of the trust zones; sorted by id."""
    found = [
        ZoneNetwork(id=zone.id, interface=names.zone_interface(zone.id), ipv4=zone.ipv4, ipv6=zone.ipv6)
        for zone in city.settings.zones
    ]
    return tuple(sorted(found, key=lambda zone: zone.id))


def endpoints(city: City, facts: UnitFacts, networks: tuple[Segment, ...]) -> tuple[Endpoint, ...]:
    """Return the unit's machines; sorted by id."""
    by_kind = {segment.kind: segment for segment in networks if segment.site == MAIN}
    found = [
        Endpoint(
            id=f"{rule.id}-{facts.code}",
            role=rule.role,
            site=MAIN,
            segment=rule.segment,
            ipv4=address(by_kind[rule.segment].ipv4, rule.host),
            ipv6=address(by_kind[rule.segment].ipv6, rule.host),
        )
        for system in city.systems.values()
        for rule in system.endpoints
    ]
    return tuple(sorted(found, key=lambda endpoint: endpoint.id))


def gateway(machines: tuple[Endpoint, ...]) -> Endpoint:
    """Return the machine that connects the unit and makes its keys."""
    return next(machine for machine in machines if machine.role == "gateway")


def flows(city: City, facts: UnitFacts) -> tuple[Flow, ...]:
    """Return what the unit may reach; sorted by id."""
    known = servers(city)
    found = [_flow(city, facts, known, system, rule) for system in city.systems.values() for rule in system.flows]
    return tuple(sorted(found, key=lambda flow: flow.id))


def _flow(city: City, facts: UnitFacts, known: Mapping[str, Server], system: System, rule: FlowRule) -> Flow:
    if rule.host is not None or system.service:
        name = rule.host or system.id
        host, server = names.city_host(city, name), known[name]
    else:
        zone = next(zone for zone in city.settings.zones if zone.id == system.zone)
        host, server = app_host(system.apps[0], facts), app_gateway(zone)
    return Flow(
        id=f"{system.id}/{rule.segment}/{rule.endpoint}/{rule.protocol}-{rule.port}",
        system=system.id,
        segment=rule.segment,
        endpoint=rule.endpoint,
        zone=server.zone,
        host=host,
        ipv4=server.ipv4,
        ipv6=server.ipv6,
        protocol=rule.protocol,
        port=rule.port,
    )


def dns(
    city: City, facts: UnitFacts, machines: tuple[Endpoint, ...], of_apps: list[DnsRecord]
) -> tuple[DnsRecord, ...]:
    """Return the record sets of the unit's domain, its apps' among them; sorted by id."""
    own = gateway(machines)
    values = {
        "city_domain": city.settings.domain,
        "gateway4": own.ipv4,
        "gateway6": own.ipv6,
        "unit_domain": facts.domain,
    }
    found = [*of_apps]
    for system in city.systems.values():
        for rule in system.dns:
            name = facts.domain if rule.name == "@" else f"{rule.name}.{facts.domain}"
            texts = sorted(text.format_map(values) for text in rule.values)
            record = DnsRecord(id=f"{name}/{rule.type}", name=name, type=rule.type, ttl=rule.ttl, values=tuple(texts))
            found.append(record)
    return tuple(sorted(found, key=lambda record: record.id))
