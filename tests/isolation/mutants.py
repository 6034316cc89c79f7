"""Wrong rulesets, made from the right one by one small mistake each: what a person or a renderer might get wrong."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Mutant(NamedTuple):
    """A ruleset with one mistake."""

    name: str
    text: str


_ELEMENT = re.compile(r'^\t+(?P<key>[^\s].*?)(?P<comment> comment ".*?")?(?P<verdict> : goto \w+)?,$')
_RULE = re.compile(r"^(\t\t|add rule inet donvi \w+ )(?P<rule>.*(accept|drop|vmap @\w+|counter name \w+))$")
_OPENING = re.compile(r"^(\t|add )?(?P<kind>set|map|chain|element)( inet donvi)? (?P<name>\w+) ?\{")


def mutants(text: str, keep: Sequence[str] = ()) -> Iterator[Mutant]:
    """Yield every mutant of a ruleset; some the kernel may refuse.

    :param keep: parts of lines that stay as they are, because other rules of the file say the same.
    """
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if any(part in line for part in keep):
            continue
        where = f"line {index + 1} of {_place(lines, index)}: {line.strip()}"
        for what, new in _changes(line):
            yield Mutant(f"{what} — {where}", _joined([*lines[:index], *new, *lines[index + 1 :]]))
    yield from _swaps(lines)
    yield from _whole(lines)


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def _place(lines: Sequence[str], index: int) -> str:
    """Return the set, map or chain in which a line stands."""
    for line in reversed(lines[: index + 1]):
        if match := _OPENING.match(line):
            return match["name"]
    return "the file"


def _changes(line: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what one line can become."""
    if match := _ELEMENT.match(line):
        yield "forgotten element", []
        for what, key in _wider(match["key"]):
            if key != match["key"]:
                yield what, [f"\t{key}{match['verdict'] or ''},"]
    elif match := _RULE.match(line):
        yield "forgotten rule", []
        yield from ((what, [new]) for what, new in _loosened(line))
    elif "policy drop" in line:
        yield "policy accept", [line.replace("policy drop", "policy accept")]


def _loosened(line: str) -> Iterator[tuple[str, str]]:
    """Yield a rule that lets through what it refuses, or refuses more, or looks at less."""
    if line.endswith(" drop"):
        yield "accepts instead", line.removesuffix("drop") + "accept"
    if line.endswith(" accept"):
        yield "refuses instead", line.removesuffix("accept") + "drop"
    if "ct state related" in line:
        yield "new connections too", line.replace("related", "related,new")
    if "ct direction reply oifname" in line:
        yield "new connections too", line.replace("ct direction reply ", "")
        yield "the other direction", line.replace("reply", "original")
    if "iifname . ip saddr" in line or "iifname . ip6 saddr" in line:
        family = "ip6" if "ip6" in line else "ip"
        yield "any source", re.sub(r"iifname .*accept", f"meta nfproto ipv{family[2:] or 4} accept", line)
    if "addr . " in line and ("th dport" in line or "th sport" in line):
        yield "any port", re.sub(r"ip6? [sd]addr .*accept", "meta l4proto { tcp, udp } accept", line)
    for condition in ("iifname @served ", 'iifname "mgmt0" ', "tcp dport 22 ", "meta l4proto . th dport @services "):
        if condition in line:
            yield f"without {condition.strip()}", line.replace(condition, "")


def _wider(key: str) -> Iterator[tuple[str, str]]:
    """Yield elements that hold more than they should."""
    fields = key.split(" . ")
    if len(fields) == 4:
        source, target, protocol, port = fields
        yield "next port too", f"{source} . {target} . {protocol} . {port}-{int(port) + 1}"
        yield "port before too", f"{source} . {target} . {protocol} . {int(port) - 1}-{port}"
        other = "udp" if protocol == "tcp" else "tcp"
        yield "other protocol", f"{source} . {target} . {other} . {port}"
        yield "server's neighbours too", f"{source} . {_network(target)} . {protocol} . {port}"
        yield "whole segment", f"{_network(source.partition('-')[0])} . {target} . {protocol} . {port}"
        yield "everybody", f"{_all(source)} . {target} . {protocol} . {port}"
    elif len(fields) == 3:
        target, protocol, port = fields
        yield "next port instead", f"{target} . {protocol} . {int(port) + 1}"
        yield "other protocol", f"{target} . {'udp' if protocol == 'tcp' else 'tcp'} . {port}"
    elif len(fields) == 2 and fields[0].startswith('"'):
        yield "everybody by this interface", f"{fields[0]} . {_all(fields[1])}"


def _network(address: str) -> str:
    """Return the network of an address, as far as a segment goes."""
    if "/" in address:
        return address
    return address.rpartition("::")[0] + "::/64" if ":" in address else address.rpartition(".")[0] + ".0/24"


def _all(address: str) -> str:
    return "::/0" if ":" in address else "0.0.0.0/0"


def _swaps(lines: Sequence[str]) -> Iterator[Mutant]:
    """Yield rulesets in which two things changed places."""
    for index, (line, following) in enumerate(itertools.pairwise(lines)):
        first, second = _ELEMENT.match(line), _ELEMENT.match(following)
        if first and second and first["verdict"] and second["verdict"]:
            swapped = [f"\t{first['key']}{second['verdict']},", f"\t{second['key']}{first['verdict']},"]
            name = f"swapped verdicts of {first['key']} and {second['key']}"
            yield Mutant(name, _joined([*lines[:index], *swapped, *lines[index + 2 :]]))
        if following.rstrip().endswith("drop") and _RULE.match(line) and "ip6 " in line:
            name = f"swapped rules: {line.strip()} after {following.strip()}"
            yield Mutant(name, _joined([*lines[:index], following, line, *lines[index + 2 :]]))


def _whole(lines: Sequence[str]) -> Iterator[Mutant]:
    """Yield rulesets that forgot a family, or who may send from where."""
    six = [line for line in lines if not (_RULE.match(line) and ("ip6 saddr ." in line or "ip6 daddr ." in line))]
    yield Mutant("forgot IPv6 flows and sources", _joined(six))
    four = [line for line in lines if not (_RULE.match(line) and ("ip saddr ." in line or "ip daddr ." in line))]
    yield Mutant("forgot IPv4 flows", _joined(four))
    yield Mutant("forgot anti-spoofing", _joined(_without_chain(lines, "ingress")))
    yield Mutant("IPv6 not filtered", _joined(_open_family(lines)))


def _without_chain(lines: Sequence[str], name: str) -> list[str]:
    """Return the lines with a chain that accepts everything."""
    found: list[str] = []
    inside = False
    for line in lines:
        if line.startswith(f"\tchain {name} {{"):
            inside = True
        elif line == "\t}":
            inside = False
        elif inside:
            if "policy" in line:
                found.append(line.replace("policy drop", "policy accept"))
            continue
        found.append(line)
    return found


def _open_family(lines: Sequence[str]) -> list[str]:
    """Return the lines with every hook accepting IPv6 first."""
    found: list[str] = []
    for line in lines:
        found.append(line)
        if "policy drop" in line:
            found.append("\t\tmeta nfproto ipv6 accept")
    return found
