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


def sent_rules(identifier: str, flows: Pair) -> list[str]:
    """Return the rules that look up what a client sends; none when nothing is allowed."""
    return _both(f"FAMILY saddr . FAMILY daddr . meta l4proto . th dport @{identifier}", flows)


def flow_rules(identifier: str, flows: Pair) -> list[str]:
    """Return the rules for a client's packets and for the answers to them; none when nothing is allowed.

    An answer needs the flow as much as what it answers: so a flow that goes ends its connections with it.
    """
    answers = f"FAMILY daddr . FAMILY saddr . meta l4proto . th sport @{identifier}"
    return sent_rules(identifier, flows) + _both(answers, flows)


def link_rules(identifier: str, links: Pair) -> list[str]:
    """Return the same for what a zone's machines may open: sets without a source; none when nothing is allowed."""
    sent, answers = ((f"FAMILY {a}addr . meta l4proto . th {a}port @{identifier}") for a in ("d", "s"))
    return _both(sent, links) + _both(answers, links)


def _both(condition: str, flows: Pair) -> list[str]:
    families = (("ip", 4), ("ip6", 6)) if flows.four else ()
    return [f"{condition.replace('FAMILY', family)}{number} accept" for family, number in families]


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
