"""The flow matrix as elements of nftables sets: source addresses . destination . protocol . port."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from donvi.tenancy.firewall.text import FLOW4, FLOW6, Element, named_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from donvi.tenancy.model import Flow, Hosts, Tenancy, ZoneLink, ZoneNetwork


class Pair(NamedTuple):
    """Elements for IPv4 and the same for IPv6."""

    four: tuple[Element, ...]
    six: tuple[Element, ...]


def unit_flows(tenancy: Tenancy, segment: str = "") -> Pair:
    """Return what the unit's machines may open, from one kind of segment or from all; ordered by flow and site."""
    found = [
        (flow, hosts)
        for flow in tenancy.flows
        for hosts in tenancy.hosts
        if (hosts.segment, hosts.role) == (flow.segment, flow.endpoint) and segment in {"", flow.segment}
    ]
    return Pair(
        _merged((_key(hosts.first4, hosts.last4, flow.ipv4, flow), _why(flow, hosts)) for flow, hosts in found),
        _merged((_key(hosts.first6, hosts.last6, flow.ipv6, flow), _why(flow, hosts)) for flow, hosts in found),
    )


def zone_links(links: Iterable[ZoneLink], zone: ZoneNetwork) -> Pair:
    """Return what the zone's machines may open in other zones: destination . protocol . port."""
    found = [link for link in links if link.zone == zone.id]
    return Pair(
        _merged((f"{link.ipv4} . {link.protocol} . {link.port}", _purpose(link)) for link in found),
        _merged((f"{link.ipv6} . {link.protocol} . {link.port}", _purpose(link)) for link in found),
    )


def flow_sets(identifier: str, flows: Pair) -> list[list[str]]:
    """Return the sets of both families; none when nothing is allowed."""
    if not flows.four:
        return []
    return [
        named_set(f"{identifier}4", FLOW4, flows.four),
        named_set(f"{identifier}6", FLOW6, flows.six),
    ]


def flow_rules(identifier: str, flows: Pair) -> list[str]:
    """Return the rules that look the sets up; none when nothing is allowed."""
    return [flow_rule("ip", f"{identifier}4"), flow_rule("ip6", f"{identifier}6")] if flows.four else []


def flow_rule(family: str, identifier: str) -> str:
    """Return the rule that accepts what a set of flows holds."""
    return f"{family} saddr . {family} daddr . meta l4proto . th dport @{identifier} accept"


def _key(first: str, last: str, target: str, flow: Flow) -> str:
    source = first if first == last else f"{first}-{last}"
    return f"{source} . {target} . {flow.protocol} . {flow.port}"


def _why(flow: Flow, hosts: Hosts) -> str:
    return f"{flow.system}: {flow.endpoint} at {hosts.site} to {flow.host}"


def _purpose(link: ZoneLink) -> str:
    return f"{link.host}: {link.reason}"


def _merged(pairs: Iterable[tuple[str, str]]) -> tuple[Element, ...]:
    """Return one element per key: what two systems both need is allowed once, for both reasons."""
    reasons: dict[str, list[str]] = {}
    for key, reason in pairs:
        reasons.setdefault(key, []).append(reason)
    return tuple(Element(key, _joined(found)) for key, found in reasons.items())


def _joined(reasons: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(reasons))
