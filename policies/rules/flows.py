"""Isolation, flows: no packet from one unit to another, whichever enforces it, nftables or the cluster.

Addresses are judged against the ledger: a range that holds another unit's addresses is refused wherever it stands in a
ruleset, as source, destination or element of a set. In the cluster pods have no unit's address, so a peer must be named
by its namespace, and the namespace must be the unit's own or the city's.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, Final

from policies.model import PLATFORM, Example, Finding, Rule, Title, Undecided
from policies.samples import NETWORK_POLICY, network_policy
from policies.values import UNKNOWN, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from policies.city import CityFacts, Network
    from policies.model import Outcome, Resource

CONFIGURATION: Final = "donvi:machine:Configuration"
_COMMENT = re.compile(r'"[^"]*"|#.*')
_ADDRESS = re.compile(
    r"(?<![\w:.])(?P<first>[0-9]+(?:\.[0-9]+){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)"
    r"(?:/(?P<bits>[0-9]+)|-(?P<last>[0-9A-Fa-f:.]+))?(?![\w:])"
)
_OPEN = re.compile(r"^\s*(?:policy\s+accept|accept)\s*;?\s*$|\bpolicy accept\b|\badd rule \S+ \S+ \S+ accept\s*$")
_UNIT_LABEL, _NAME_LABEL = "donvi/unit", "kubernetes.io/metadata.name"


def ranges(text: str) -> Iterator[Network | None]:
    """Yield the ranges that a line of nftables names outside comments; ``None`` for what only looks like an address."""
    for match in _ADDRESS.finditer(_COMMENT.sub('""', text)):
        try:
            if match["last"]:
                first, last = ipaddress.ip_address(match["first"]), ipaddress.ip_address(match["last"])
                yield from ipaddress.summarize_address_range(first, last)
            else:
                bits = f"/{match['bits']}" if match["bits"] else ""
                yield ipaddress.ip_network(f"{match['first']}{bits}", strict=False)
        except (TypeError, ValueError):
            yield None


def _rules_of_machine(resource: Resource, city: CityFacts) -> Iterator[Outcome]:
    for path, text in walk(resource.inputs, "files.nftables"):
        if text is UNKNOWN:
            yield Undecided(path)
            continue
        for number, line in enumerate(str(text or "").splitlines(), start=1):
            place = f"{path}, line {number}"
            if _OPEN.search(line):
                yield Finding(place, "a rule that names what it accepts")
            if any(one is None or city.reaches_others(one, resource.owner) for one in ranges(line)):
                yield Finding(place, _addresses(resource.owner))


def _addresses(owner: str) -> str:
    if owner == PLATFORM:
        return "no unit's address: a unit's flows belong to the fragment in its own stack"
    return f"addresses of unit {owner} and of the city's zones only"


def _rules_of_pods(resource: Resource, city: CityFacts) -> Iterator[Outcome]:
    for way, peers in (("ingress", "from"), ("egress", "to")):
        for path, rule in walk(resource.inputs, f"spec.{way}[*]"):
            if rule is UNKNOWN:
                yield Undecided(path)
                continue
            named = rule.get(peers) if isinstance(rule, dict) else None
            if named is UNKNOWN:
                yield Undecided(f"{path}.{peers}")
            elif not named:
                yield Finding(f"{path}.{peers}", "at least one peer: none means everybody, every unit included")
            for place, peer in walk(rule, f"{peers}[*]", path):
                yield from _peer(place, peer, resource.owner, city)


def _peer(path: str, peer: Any, owner: str, city: CityFacts) -> Iterator[Outcome]:
    if peer is UNKNOWN or not isinstance(peer, dict):
        yield Undecided(path)
        return
    yield from _block(path, peer, owner, city)
    if "namespaceSelector" not in peer or peer["namespaceSelector"] is None:
        return  # pods of the policy's own namespace, or addresses
    place = f"{path}.namespaceSelector"
    selector = peer["namespaceSelector"]
    labels = selector.get("matchLabels") if isinstance(selector, dict) else selector
    if UNKNOWN in (selector, labels) or (isinstance(labels, dict) and UNKNOWN in labels.values()):
        yield Undecided(place)
    elif not _own_namespaces(labels or {}, owner, city):
        expected = f"matchLabels with {_UNIT_LABEL}: the unit's code, or {_NAME_LABEL}: a namespace of the city's"
        yield Finding(place, expected)


def _own_namespaces(labels: dict[str, Any], owner: str, city: CityFacts) -> bool:
    name = labels.get(_NAME_LABEL)
    if any(code != owner for code in city.owners_in(str(name or ""))):
        return False
    return labels.get(_UNIT_LABEL) == owner if _UNIT_LABEL in labels else name is not None


def _block(path: str, peer: dict[str, Any], owner: str, city: CityFacts) -> Iterator[Outcome]:
    block = peer.get("ipBlock")
    if block is None:
        return
    value = block.get("cidr") if isinstance(block, dict) else block
    place = f"{path}.ipBlock.cidr"
    if UNKNOWN in (block, value):
        yield Undecided(place)
        return
    try:
        network = ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        yield Finding(place, "a range in CIDR form")
        return
    if city.reaches_others(network, owner):
        yield Finding(place, f"a range without another unit's addresses: unit {owner}'s own, or a zone's")


def _check(resource: Resource, city: CityFacts) -> Iterator[Outcome]:
    if resource.type == CONFIGURATION:
        yield from _rules_of_machine(resource, city)
    else:
        yield from _rules_of_pods(resource, city)


def _policy(way: str, *peers: dict[str, Any], at: tuple[str, ...] = ()) -> Example:
    named = {"from" if way == "ingress" else "to": list(peers)}
    spec = {"podSelector": {}, "policyTypes": [way.capitalize()], way: [named]}
    return Example(NETWORK_POLICY, network_policy("open", **spec), at)


def _ruleset(*lines: str, at: tuple[str, ...] = (), unit: str = "26506") -> Example:
    files = {"nftables": "\n".join(lines)}
    return Example(CONFIGURATION, {"machine": "core", "files": files}, at, unit=unit, stack_unit=unit)


_GATEWAY = {
    "namespaceSelector": {"matchLabels": {_NAME_LABEL: "city-gateway"}},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "envoy"}},
}

FLOWS = Rule(
    id="no-flow-between-units",
    subject="isolation",
    title=Title("Không có luồng mạng giữa hai đơn vị", "No network flow between two units"),
    reason="A break-in at one unit must end at its own border; 28,056 pairs are proven apart by packets.",
    remedy="Let both talk to a system in a zone: a flow in city/systems/<id>.yaml, from a segment to that system.",
    standard="TCVN 11930:2017, access control between network zones; CIS Kubernetes Benchmark, 5.3.2",
    looks_at=(CONFIGURATION, "kubernetes:networking.k8s.io/*:NetworkPolicy"),
    check=_check,
    kept=(
        _ruleset(
            "add element inet donvi unit_26506_4 {",
            '\t10.3.65.10-10.3.65.99 . 10.0.1.20 . tcp . 8441 comment "documents to 10.1.0.1",',
            "\tfd9b:7a3c:2900:3401::10-fd9b:7a3c:2900:3401::99 . fd9b:7a3c:2900:1::20 . tcp . 8441,",
            "}",
            "add rule inet donvi unit_26506 ip saddr . ip daddr . meta l4proto . th dport @unit_26506_4 accept",
            "ip6 saddr { ::, fe80::/10 } meta l4proto ipv6-icmp accept",
            "type filter hook forward priority filter; policy drop;",
        ),
        Example(NETWORK_POLICY, network_policy()),
        _policy("ingress", _GATEWAY),
        _policy("egress", {"podSelector": {}}),
        _policy("egress", {"ipBlock": {"cidr": "10.0.1.10/32"}}),
        _policy("ingress", {"namespaceSelector": {"matchLabels": {_UNIT_LABEL: "26506"}}}),
    ),
    broken=(
        _ruleset("10.3.65.10-10.3.65.99 . 10.1.0.10 . tcp . 445 comment 'share',", at=("files.nftables, line 1",)),
        _ruleset("add rule inet donvi unit_26506 ip daddr 10.0.0.0/8 accept", at=("files.nftables, line 1",)),
        _ruleset("", "fd9b:7a3c:2900:3400::1 . fd9b:7a3c:2900:1000::1 . tcp . 22,", at=("files.nftables, line 2",)),
        _ruleset("type filter hook forward priority filter; policy accept;", at=("files.nftables, line 1",)),
        _ruleset("10.3.64.10 . 10.0.1.20 . tcp . 8441,", at=("files.nftables, line 1",), unit="platform"),
        _policy("ingress", at=("spec.ingress[0].from",)),
        _policy("ingress", {"namespaceSelector": {}}, at=("spec.ingress[0].from[0].namespaceSelector",)),
        _policy(
            "ingress",
            {"namespaceSelector": {"matchLabels": {_UNIT_LABEL: "25747"}}},
            at=("spec.ingress[0].from[0].namespaceSelector",),
        ),
        _policy(
            "egress",
            {"namespaceSelector": {"matchLabels": {_NAME_LABEL: "unit-25747-public"}}},
            at=("spec.egress[0].to[0].namespaceSelector",),
        ),
        _policy("egress", {"ipBlock": {"cidr": "0.0.0.0/0"}}, at=("spec.egress[0].to[0].ipBlock.cidr",)),
    ),
)

RULES = (FLOWS,)
