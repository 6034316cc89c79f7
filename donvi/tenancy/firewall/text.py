"""The pieces of an nftables file, one thing per line, so that a change of the city shows as the lines it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TABLE = "inet donvi"
"""The one table; inet: both families."""

FLOW4 = "ipv4_addr . ipv4_addr . inet_proto . inet_service"
FLOW6 = "ipv6_addr . ipv6_addr . inet_proto . inet_service"
LINK4 = "ipv4_addr . inet_proto . inet_service"
LINK6 = "ipv6_addr . inet_proto . inet_service"
SOURCE4 = "ifname . ipv4_addr"
SOURCE6 = "ifname . ipv6_addr"

LONGEST_COMMENT = 120
"""Bytes; nftables takes 128 with the final NUL (libnftnl's NFTNL_UDATA_COMMENT_MAXLEN)."""


class Element(NamedTuple):
    """One element of a set, or of a map when it has a verdict."""

    key: str
    comment: str = ""
    verdict: str = ""

    def __str__(self) -> str:
        note = f" comment {quoted(self.comment)}" if self.comment else ""
        return f"{self.key}{note}{f' : {self.verdict}' if self.verdict else ''}"


def quoted(comment: str) -> str:
    """Return a comment as nftables takes it: without double quotes, cut between characters when it is too long."""
    plain = comment.replace('"', "'")
    return '"' + plain.encode()[:LONGEST_COMMENT].decode(errors="ignore") + '"'


def name(identifier: str) -> str:
    """Return the name of a chain, set or counter for an identifier of the city."""
    return identifier.replace("-", "_")


def counter(identifier: str, comment: str) -> list[str]:
    """Return a named counter; loading the file again keeps its numbers unless the table goes."""
    return [f"\tcounter {identifier} {{ comment {quoted(comment)}; }}"]


def named_set(identifier: str, kind: str, elements: Iterable[Element] = (), *, interval: bool = True) -> list[str]:
    """Return a set of a type such as :data:`FLOW4`."""
    return _block(f"set {identifier}", [f"type {kind}", *(["flags interval"] if interval else [])], elements)


def verdict_map(identifier: str, elements: Iterable[Element] = ()) -> list[str]:
    """Return a map from an interface's name to a chain."""
    return _block(f"map {identifier}", ["type ifname : verdict"], elements)


def chain(identifier: str, rules: Sequence[str], hook: str = "") -> list[str]:
    """Return a chain.

    :param hook: where the kernel calls it, for example ``forward priority filter``; such a chain drops by default.
    """
    first = [f"type filter hook {hook}; policy drop;"] if hook else []
    return [f"\tchain {identifier} {{", *(f"\t\t{line}" for line in (*first, *rules)), "\t}"]


def table(blocks: Iterable[list[str]]) -> list[str]:
    """Return the table with its parts."""
    lines: list[str] = []
    for block in blocks:
        lines += ["", *block] if lines and len(block) > 1 else block
    return [f"table {TABLE} {{", *lines, "}"]


def add_elements(identifier: str, elements: Sequence[Element]) -> list[str]:
    """Return the command that adds elements to a set or map that exists; nothing for none."""
    if not elements:
        return []
    return [f"add element {TABLE} {identifier} {{", *(f"\t{element}," for element in elements), "}"]


def delete_elements(identifier: str, elements: Sequence[Element]) -> list[str]:
    """Return the command that removes elements, which must be there."""
    if not elements:
        return []
    return [f"delete element {TABLE} {identifier} {{", *(f"\t{element.key}," for element in elements), "}"]


def document(about: Sequence[str], *parts: Sequence[str]) -> str:
    """Return a file for ``nft -f``: the kernel takes all of it or nothing."""
    head = ["#!/usr/sbin/nft -f", *(f"# {line}" for line in about)]
    return "\n".join([*head, *(line for part in parts for line in ("", *part))]) + "\n"


def _block(head: str, settings: Iterable[str], elements: Iterable[Element]) -> list[str]:
    lines = [f"\t\t\t{element}," for element in elements]
    inside = ["\t\telements = {", *lines, "\t\t}"] if lines else []
    return [f"\t{head} {{", *(f"\t\t{line}" for line in settings), *inside, "\t}"]
