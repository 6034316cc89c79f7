"""The packet filter's text: one table, replaced as a whole in one transaction."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from .isolation import LAST_PORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .isolation import Allowance, Allowances, Isolation, Range
    from .model import Address, Network

TABLE = "donvi_network_policy"
FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}
NEIGHBOURS = "nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert"


def render(isolation: Isolation, pods: Sequence[Network]) -> str:
    """Return the text for ``nft -f -``.

    :param pods: the networks that pods have addresses of; what lies there and isn't known passes nothing.
    """
    bodies: dict[str, list[str]] = {}
    maps: list[str] = []
    for family in FAMILIES:
        maps += _known(isolation.known, family)
        for way, allowed in (("egress", isolation.egress), ("ingress", isolation.ingress)):
            maps += _verdicts(way, allowed, family, bodies)
    chains = [line for name, body in sorted(bodies.items()) for line in _chain(name, body)]
    hooks = _hook("forward", pods, ("egress", "ingress")) + _hook("input", pods, ("egress",))
    inner = "\n".join(f"  {line}" for line in [*maps, *chains, *hooks])
    return f"table inet {TABLE} {{}}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{inner}\n}}\n"


def closed(pods: Sequence[Network]) -> str:
    """Return the text of a table that knows no pod yet: nothing that is new passes from or to any."""
    from .isolation import Isolation

    return render(Isolation(frozenset(), {}, {}), pods)


def _known(addresses: Iterable[Address], family: int) -> list[str]:
    found = sorted(address for address in addresses if address.version == family)
    pairs = [f"{address} . {address}" for address in found]
    kind = FAMILIES[family][1]
    return [
        *_set(f"known{family}", f"type {kind}", list(map(str, found))),
        *_set(f"itself{family}", f"type {kind} . {kind}", pairs),
    ]


def _set(name: str, kind: str, elements: list[str], word: str = "set") -> list[str]:
    listed = [f"  elements = {{ {', '.join(elements)} }}"] if elements else []
    return [f"{word} {name} {{", f"  {kind}", *listed, "}"]


def _verdicts(way: str, allowed: Mapping[Address, Allowances], family: int, bodies: dict[str, list[str]]) -> list[str]:
    """Return the map from an isolated address to its chain; addresses with the same rules share one."""
    elements = []
    for address, allowances in sorted((a, b) for a, b in allowed.items() if a.version == family):
        body = [rule for allowance in allowances for rule in _rules(way, allowance, family)]
        name = f"{way}_{hashlib.sha256(chr(10).join(body).encode()).hexdigest()[:16]}"
        bodies[name] = body
        elements.append(f"{address} : jump {name}")
    return _set(f"{way}{family}", f"type {FAMILIES[family][1]} : verdict", elements, word="map")


def _rules(way: str, allowance: Allowance, family: int) -> Iterable[str]:
    """Return rules that leave the chain for what is allowed: another direction's rules may still forbid it."""
    word = FAMILIES[family][0]
    side = f"{word} {'daddr' if way == 'egress' else 'saddr'}"
    where = ""
    if allowance.networks is not None:
        networks = _texts(allowance.networks, family)
        if not networks:
            return
        where = f"{side} {networks} "
    if exceptions := _texts(allowance.exceptions, family):
        where += f"{side} != {exceptions} "
    if allowance.ports is None:
        yield f"{where}return"
        return
    for protocol in sorted({ports.protocol for ports in allowance.ports}):
        yield f"{where}{_ports(protocol, allowance.ports)} return"


def _texts(networks: Iterable[Network], family: int) -> str:
    """Return a set of networks that don't overlap, or nothing."""
    from ipaddress import collapse_addresses

    own = [network for network in networks if network.version == family]
    found = [str(network) for network in collapse_addresses(own)]  # type: ignore[type-var]
    return f"{{ {', '.join(found)} }}" if found else ""


def _ports(protocol: str, ports: Iterable[Range]) -> str:
    spans: list[list[int]] = []
    for span in sorted((r.first, r.last) for r in ports if r.protocol == protocol):
        if spans and span[0] <= spans[-1][1] + 1:
            spans[-1][1] = max(spans[-1][1], span[1])
        else:
            spans.append(list(span))
    word = protocol.lower()
    if spans[0] == [0, LAST_PORT]:
        return f"meta l4proto {word}"
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    return f"{word} dport {{ {', '.join(texts)} }}"


def _chain(name: str, body: list[str]) -> list[str]:
    return [f"chain {name} {{", *(f"  {rule}" for rule in body), "  counter drop", "}"]


def _hook(name: str, pods: Sequence[Network], ways: Sequence[str]) -> list[str]:
    """Return a chain of the kernel's: answers first, then who isn't known, then each way's rules."""
    sides = ["saddr", "daddr"] if "ingress" in ways else ["saddr"]
    lines = [
        f"type filter hook {name} priority filter; policy accept;",
        "ct state established,related accept",
        f"icmpv6 type {{ {NEIGHBOURS} }} accept",
    ]
    for network in pods:
        word = FAMILIES[network.version][0]
        for side in sides:
            mine = f"{word} {side} {network}"
            lines.append(f"{mine} {word} {side} != @known{network.version} counter drop")
            lines.append(f"{mine} tcp flags & (fin | syn | rst | ack) != syn counter drop")
    for family in sorted({network.version for network in pods}):
        word = FAMILIES[family][0]
        lines.append(f"{word} saddr . {word} daddr @itself{family} accept")
        lines += [f"{word} {'saddr' if way == 'egress' else 'daddr'} vmap @{way}{family}" for way in ways]
    return [f"chain {name} {{", *(f"  {line}" for line in lines), "}"]
