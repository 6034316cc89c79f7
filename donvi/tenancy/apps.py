"""What a unit has in the cluster: its namespaces, who may reach and read them, its applications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.tenancy import names
from donvi.tenancy.app_model import (
    AccessBinding,
    App,
    Container,
    Namespace,
    NetworkPeer,
    NetworkPort,
    NetworkRule,
    Probe,
    Quota,
    Route,
    Share,
)
from donvi.tenancy.certificates import MOUNTS
from donvi.tenancy.model import Certificate, DnsRecord
from donvi.tenancy.servers import app_gateway
from donvi.tenancy.site import site_page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.registry import City, System
    from donvi.registry.model import AppRule
    from donvi.tenancy.model import Flow, UnitFacts

GATEWAY = "city"
GATEWAY_NAMESPACE = "city-gateway"
GATEWAY_PODS = (("app.kubernetes.io/name", "envoy"),)
LISTENER = "tls"

DNS_NAMESPACE = "kube-system"
DNS_PODS = (("k8s-app", "kube-dns"),)
DNS_PORTS = (NetworkPort(protocol="tcp", port=1053), NetworkPort(protocol="udp", port=1053))
"""Where the pods of the cluster's name server listen; its Service leads there from 53."""

SERVICE_PORT = 443
APPS = "apps"
"""The kind of segment that a flow names whose source is an app, ``endpoint`` being the app; the catalogue has none."""

BOTH = ("egress", "ingress")
TTL = 300


def apps(city: City, facts: UnitFacts) -> tuple[App, ...]:
    """Return the application instances of the unit's own; sorted by id."""
    found = [_app(city, facts, system, rule) for system in city.systems.values() for rule in system.apps]
    return tuple(sorted(found, key=lambda app: app.id))


def namespaces(city: City, facts: UnitFacts, found: tuple[App, ...], flows: tuple[Flow, ...]) -> tuple[Namespace, ...]:
    """Return one namespace per trust zone in which the unit has an app; sorted by id.

    :param flows: what the unit may reach; only what ends at an app opens it.
    """
    zones = sorted({app.zone for app in found})
    return tuple(_namespace(city, facts, zone, [app for app in found if app.zone == zone], flows) for zone in zones)


def dns(city: City, found: tuple[App, ...]) -> list[DnsRecord]:
    """Return the record sets by which the apps are found: their hosts at the gateway, in both address families."""
    zones = {zone.id: zone for zone in city.settings.zones}
    records = []
    for app in found:
        gateway = app_gateway(zones[app.zone])
        for kind, value in (("A", gateway.ipv4), ("AAAA", gateway.ipv6)):
            records.append(DnsRecord(id=f"{app.host}/{kind}", name=app.host, type=kind, ttl=TTL, values=(value,)))
    return records


def app_host(rule: AppRule, facts: UnitFacts) -> str:
    """Return the name under which people reach an app."""
    return f"{rule.host}.{facts.domain}"


def _app(city: City, facts: UnitFacts, system: System, rule: AppRule) -> App:
    namespace, secret, host = names.namespace(facts.code, system.zone), f"{rule.id}-tls", app_host(rule, facts)
    return App(
        id=rule.id,
        system=system.id,
        namespace=namespace,
        zone=system.zone,
        host=host,
        replicas=rule.replicas,
        container=_container(city, rule),
        secret=secret,
        certificate=Certificate(
            id=rule.id,
            purpose="app",
            machine=names.secret_place(namespace, secret),
            mount=MOUNTS["app"],
            role=f"unit-{facts.code}-{rule.id}",
            common_name=host,
            dns_names=(host,),
            uris=(names.unit_uri(facts.code),),
            usages=("server",),
            ttl_hours=rule.certificate.ttl_hours,
        ),
        route=Route(
            host=host, gateway=GATEWAY, gateway_namespace=GATEWAY_NAMESPACE, listener=LISTENER, port=SERVICE_PORT
        ),
        page=site_page(city, facts, host) if rule.page else None,
    )


def _container(city: City, rule: AppRule) -> Container:
    return Container(
        image=city.images[rule.image].reference,
        port=rule.ports.tls,
        probe=Probe(port=rule.ports.probe, ready=rule.ready, live=rule.live),
        share=_share(rule),
        certificate_path=rule.certificate.path,
        page_path=rule.page or "",
    )


def _share(rule: AppRule) -> Share:
    return Share(
        cpu_request=rule.cpu[0], cpu_limit=rule.cpu[1], memory_request=rule.memory[0], memory_limit=rule.memory[1]
    )


def _namespace(city: City, facts: UnitFacts, zone: str, found: list[App], flows: tuple[Flow, ...]) -> Namespace:
    systems = [system for system in city.systems.values() if system.id in {app.system for app in found}]
    rules = [rule for system in systems for rule in system.apps]
    return Namespace(
        id=names.namespace(facts.code, zone),
        unit=facts.code,
        zone=zone,
        domain=facts.domain,
        quota=_quota(rules),
        container=_largest(app.container.share for app in found),
        rules=_rules(found, flows),
        bindings=_bindings(facts, systems),
    )


def _quota(rules: list[AppRule]) -> Quota:
    """Return room for every app's pods at their most, and for each app's objects twice, the old beside the new."""
    return Quota(
        pods=sum(rule.pods for rule in rules),
        share=Share(
            cpu_request=sum(rule.pods * rule.cpu[0] for rule in rules),
            cpu_limit=sum(rule.pods * rule.cpu[1] for rule in rules),
            memory_request=sum(rule.pods * rule.memory[0] for rule in rules),
            memory_limit=sum(rule.pods * rule.memory[1] for rule in rules),
        ),
        services=len(rules),
        config_maps=2 * len(rules) + 1,  # every namespace is given the cluster's root certificate in one
        secrets=2 * len(rules),
    )


def _largest(shares: Iterable[Share]) -> Share:
    every = list(shares)
    return Share(
        cpu_request=max(share.cpu_request for share in every),
        cpu_limit=max(share.cpu_limit for share in every),
        memory_request=max(share.memory_request for share in every),
        memory_limit=max(share.memory_limit for share in every),
    )


def _rules(found: list[App], flows: tuple[Flow, ...]) -> tuple[NetworkRule, ...]:
    """Return nothing in, nothing out; then names, and the flows that end or begin at an app; sorted by id."""
    dns_pods = NetworkPeer(namespace=DNS_NAMESPACE, pods=DNS_PODS, cidr="")
    rules = [
        NetworkRule(id="default-deny", app="", directions=BOTH, peers=(), ports=(), flows=()),
        NetworkRule(id="dns", app="", directions=("egress",), peers=(dns_pods,), ports=DNS_PORTS, flows=()),
    ]
    for app in found:
        inward = tuple(flow.id for flow in flows if flow.host == app.host)
        if inward:
            rules.append(_from_gateway(app, inward))
        rules += [_outward(app, flow) for flow in flows if (flow.segment, flow.endpoint) == (APPS, app.id)]
    return tuple(sorted(rules, key=lambda rule: rule.id))


def _from_gateway(app: App, flows: tuple[str, ...]) -> NetworkRule:
    """Let the gateway's pods in, and nobody else: who reaches the gateway is the routers' business."""
    return NetworkRule(
        id=f"{app.id}-gateway",
        app=app.id,
        directions=("ingress",),
        peers=(NetworkPeer(namespace=GATEWAY_NAMESPACE, pods=GATEWAY_PODS, cidr=""),),
        ports=(NetworkPort(protocol="tcp", port=app.container.port),),
        flows=flows,
    )


def _outward(app: App, flow: Flow) -> NetworkRule:
    peers = (
        NetworkPeer(namespace="", pods=(), cidr=f"{flow.ipv4}/32"),
        NetworkPeer(namespace="", pods=(), cidr=f"{flow.ipv6}/128"),
    )
    return NetworkRule(
        id=f"{app.id}-{flow.system}-{flow.protocol}-{flow.port}",
        app=app.id,
        directions=("egress",),
        peers=peers,
        ports=(NetworkPort(protocol=flow.protocol, port=flow.port),),
        flows=(flow.id,),
    )


def _bindings(facts: UnitFacts, systems: list[System]) -> tuple[AccessBinding, ...]:
    found = [
        AccessBinding(
            id=f"{system.id}-{role.id}",
            system=system.id,
            group=names.cluster_group(facts.code, system.id, role.id),
            cluster_role=names.cluster_role(role.cluster),
        )
        for system in systems
        for role in system.roles
        if role.cluster
    ]
    return tuple(sorted(found, key=lambda binding: binding.id))
