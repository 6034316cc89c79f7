"""A unit's gateway: between the segments of its sites and the core router."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.tenancy.firewall.common import (
    ANSWERS,
    ERRORS,
    FORGED,
    HOOK_FORWARD,
    HOOK_INGRESS,
    HOOK_INPUT,
    HOOK_OUTPUT,
    INPUT_DENIED,
    INVALID,
    NEIGHBOURS,
    OPERATOR,
    REFUSE_INVALID,
    ingress,
)
from donvi.tenancy.firewall.flows import flow_rules, flow_sets, sent_rules, unit_flows
from donvi.tenancy.firewall.text import (
    SOURCE4,
    SOURCE6,
    TABLE,
    Element,
    chain,
    counter,
    document,
    name,
    named_set,
    table,
    verdict_map,
)
from donvi.tenancy.names import MANAGEMENT_INTERFACE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.tenancy.model import Segment, Tenancy

TRANSIT = "transit"
SERVICES = (Element("tcp . 53", "DNS"), Element("udp . 53", "DNS"), Element("udp . 123", "NTP"))
"""What the gateway itself offers to segments that may reach anything at all."""

ERRORS4 = "icmp type { destination-unreachable, echo-request, parameter-problem, time-exceeded } accept"
ERRORS6 = (
    "icmpv6 type { destination-unreachable, echo-request, mld2-listener-report, nd-neighbor-advert,"
    " nd-neighbor-solicit, packet-too-big, parameter-problem, time-exceeded } accept"
)


def gateway_ruleset(tenancy: Tenancy) -> str:
    """Return the gateway's whole ruleset; loading it replaces the table ``inet donvi`` in one transaction.

    A packet must come from an address of its interface, then an interface's segment decides: what the catalogue's flows
    name passes to the system's address and port, nothing else, not even to another segment of the unit. From the city
    come only answers, and they need the flow too: with it go the connections that it allowed, in the same transaction.
    """
    local = [segment for segment in tenancy.segments if segment.kind != TRANSIT]
    kinds = sorted({segment.kind for segment in local})
    unit = tenancy.unit
    about = (
        f"Gateway of unit {unit.code} ({unit.name}).",
        "Rendered from the city's data; what is changed here is lost. Replaces the table in one transaction.",
    )
    blocks = [*_counters(kinds), *_sources(tenancy, local), *_services(local)]
    for kind in kinds:
        blocks += _segment(tenancy, kind)
    blocks += _dispatch(local)
    blocks += _own(tenancy)
    return document(about, [f"table {TABLE}", f"delete table {TABLE}"], table(blocks))


def _counters(kinds: Iterable[str]) -> list[list[str]]:
    return [
        counter(*FORGED),
        counter(*INVALID),
        counter("inbound_denied", "opened from outside the unit"),
        counter(*INPUT_DENIED),
        counter("output_denied", "opened by the gateway, and no flow of it"),
        *(counter(f"from_{name(kind)}_denied", f"opened by the segment {kind}, and no flow of it") for kind in kinds),
    ]


def _sources(tenancy: Tenancy, local: Iterable[Segment]) -> list[list[str]]:
    """Return who may send by which interface; the city sends by transit, from its zones and the core router."""
    transit = next(segment for segment in tenancy.segments if segment.kind == TRANSIT)
    four = [Element(f'"{segment.interface}" . {segment.ipv4}', segment.id) for segment in local]
    six = [Element(f'"{segment.interface}" . {segment.ipv6}', segment.id) for segment in local]
    four.append(Element(f'"{transit.interface}" . {transit.gateway4}', "core router"))
    six.append(Element(f'"{transit.interface}" . {transit.gateway6}', "core router"))
    four += [Element(f'"{transit.interface}" . {zone.ipv4}', f"zone {zone.id}") for zone in tenancy.zones]
    six += [Element(f'"{transit.interface}" . {zone.ipv6}', f"zone {zone.id}") for zone in tenancy.zones]
    return [named_set("sources4", SOURCE4, four), named_set("sources6", SOURCE6, six)]


def _services(local: Iterable[Segment]) -> list[list[str]]:
    served = [Element(f'"{segment.interface}"', segment.id) for segment in local if segment.zones]
    return [
        named_set("served", "ifname", served, interval=False),
        named_set("services", "inet_proto . inet_service", SERVICES, interval=False),
    ]


def _segment(tenancy: Tenancy, kind: str) -> list[list[str]]:
    """Return what a kind of segment may open."""
    flows, identifier = unit_flows(tenancy, kind), name(kind)
    rules = [*flow_rules(f"{identifier}_flows", flows), f"counter name from_{identifier}_denied drop"]
    return [*flow_sets(f"{identifier}_flows", flows), chain(f"from_{identifier}", rules)]


def _dispatch(local: Iterable[Segment]) -> list[list[str]]:
    chains = [Element(f'"{s.interface}"', s.id, f"goto from_{name(s.kind)}") for s in local]
    forward = [
        ERRORS,
        REFUSE_INVALID,
        "ct direction reply oifname vmap @segments",
        "iifname vmap @segments",
        "counter name inbound_denied",
    ]
    return [
        verdict_map("segments", chains),
        chain("ingress", ingress(("sources",)), HOOK_INGRESS),
        chain("forward", forward, HOOK_FORWARD),
    ]


def _own(tenancy: Tenancy) -> list[list[str]]:
    """Return what the gateway itself takes and sends."""
    flows = unit_flows(tenancy, TRANSIT)
    outside = f'iifname {{ "{MANAGEMENT_INTERFACE}", "{TRANSIT}0" }}'
    received = [
        'iifname "lo" accept',
        NEIGHBOURS,
        ERRORS,
        ANSWERS,
        REFUSE_INVALID,
        OPERATOR,
        "iifname @served meta l4proto . th dport @services accept",
        "iifname @served icmp type echo-request accept",
        "iifname @served icmpv6 type echo-request accept",
        f"{outside} icmp type echo-request accept",
        f"{outside} icmpv6 type echo-request accept",
        "counter name input_denied",
    ]
    sent = [
        'oifname "lo" accept',
        ERRORS4,
        ERRORS6,
        ANSWERS,
        *sent_rules("gateway_flows", flows),
        "counter name output_denied",
    ]
    return [
        *flow_sets("gateway_flows", flows),
        chain("input", received, HOOK_INPUT),
        chain("output", sent, HOOK_OUTPUT),
    ]
