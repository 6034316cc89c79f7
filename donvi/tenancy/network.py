"""Segments, machines, flows, applications and DNS of a unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.registry.addresses import address, subnet
from donvi.tenancy import names
from donvi.tenancy.model import App, DnsRecord, Endpoint, Flow, Segment

if TYPE_CHECKING:
    from donvi.registry import City
    from donvi.registry.model import FlowRule, System
    from donvi.tenancy.model import UnitFacts

MAIN = "main"
"""The site that the numbers of city.yaml's segments are for; further sites wait for their own part of the /20."""


def segments(city: City, facts: UnitFacts) -> tuple[Segment, ...]:
    """Return the segments of the main site; sorted by id. The first address of each is its gateway."""
    found = []
    for kind in city.settings.segments:
        ipv4 = str(subnet(facts.ipv4, 24, kind.number))
        ipv6 = str(subnet(facts.ipv6, 64, kind.number))
        found.append(
            Segment(
                id=f"{MAIN}/{kind.kind}",
                site=MAIN,
                kind=kind.kind,
                vlan=kind.vlan,
                ipv4=ipv4,
                ipv6=ipv6,
                gateway4=address(ipv4, 1),
                gateway6=address(ipv6, 1),
            )
        )
    return tuple(sorted(found, key=lambda segment: segment.id))


def endpoints(city: City, facts: UnitFacts, networks: tuple[Segment, ...]) -> tuple[Endpoint, ...]:
    """Return the unit's machines; sorted by id."""
    by_kind = {segment.kind: segment for segment in networks}
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


def apps(city: City, facts: UnitFacts) -> tuple[App, ...]:
    """Application instances of the unit's own, in one namespace; sorted by id."""
    found = [
        App(
            id=rule.id,
            system=system.id,
            namespace=f"unit-{facts.code}",
            host=f"{rule.host}.{facts.domain}",
            zone=system.zone,
        )
        for system in city.systems.values()
        for rule in system.apps
    ]
    return tuple(sorted(found, key=lambda app: app.id))


def flows(city: City, facts: UnitFacts) -> tuple[Flow, ...]:
    """Return what the unit may reach; sorted by id."""
    found = [
        Flow(
            id=f"{system.id}/{rule.segment}/{rule.endpoint}/{rule.protocol}-{rule.port}",
            system=system.id,
            segment=rule.segment,
            endpoint=rule.endpoint,
            zone=system.zone,
            host=_flow_host(city, facts, system, rule),
            protocol=rule.protocol,
            port=rule.port,
        )
        for system in city.systems.values()
        for rule in system.flows
    ]
    return tuple(sorted(found, key=lambda flow: flow.id))


def dns(city: City, facts: UnitFacts, machines: tuple[Endpoint, ...]) -> tuple[DnsRecord, ...]:
    """Return the record sets of the unit's domain; sorted by id."""
    own = gateway(machines)
    values = {
        "city_domain": city.settings.domain,
        "gateway4": own.ipv4,
        "gateway6": own.ipv6,
        "unit_domain": facts.domain,
    }
    found = []
    for system in city.systems.values():
        for rule in system.dns:
            name = facts.domain if rule.name == "@" else f"{rule.name}.{facts.domain}"
            texts = sorted(text.format_map(values) for text in rule.values)
            record = DnsRecord(id=f"{name}/{rule.type}", name=name, type=rule.type, ttl=rule.ttl, values=tuple(texts))
            found.append(record)
    return tuple(sorted(found, key=lambda record: record.id))


def _flow_host(city: City, facts: UnitFacts, system: System, rule: FlowRule) -> str:
    if rule.host is not None:
        return names.city_host(city, rule.host)
    if system.service:
        return names.city_host(city, system.id)
    return f"{system.apps[0].host}.{facts.domain}"
