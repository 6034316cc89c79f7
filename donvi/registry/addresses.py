"""Prefixes and addresses, strictly: netaddr accepts host bits and host masks without a word, this module doesn't."""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from netaddr import AddrFormatError, IPAddress, IPNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable


FAMILIES: dict[int, tuple[socket.AddressFamily, int]] = {4: (socket.AF_INET, 32), 6: (socket.AF_INET6, 128)}


class Span(NamedTuple):
    """A prefix as numbers: its first and last address, and its length."""

    first: int
    last: int
    bits: int


def span(text: str, version: Literal[4, 6]) -> Span:
    """Return a prefix in canonical form as numbers; like :func:`network`, at a tenth of its cost.

    :raises ValueError: as :func:`network`.
    """
    family, width = FAMILIES[version]
    host, _, length = text.partition("/")
    try:
        packed = socket.inet_pton(family, host)
        plain = socket.inet_ntop(family, packed) == host and str(bits := int(length)) == length and 0 <= bits <= width
    except (OSError, ValueError):
        plain = False
    if plain:
        first = int.from_bytes(packed)
        rest = (1 << (width - bits)) - 1
        if not first & rest:
            return Span(first, first + rest, bits)
    parsed = network(text, version)  # unusual, or says what is wrong
    return Span(parsed.first, parsed.last, parsed.prefixlen)


def network(text: str, version: Literal[4, 6]) -> IPNetwork:
    """Return a prefix in canonical form.

    :raises ValueError: not a prefix of that IP version, host bits set, or not canonical; the text suggests the remedy.
    """
    _, slash, bits = text.partition("/")
    if not slash or not (bits.isascii() and bits.isdigit()):
        raise ValueError(f"{text!r} isn't a prefix: write it as address/length")
    try:
        parsed = IPNetwork(text, version=version)
    except (AddrFormatError, ValueError) as error:
        raise ValueError(f"{text!r} isn't an IPv{version} prefix") from error
    if str(parsed.cidr) != text:
        raise ValueError(f"{text!r} has host bits or isn't canonical: did you mean {parsed.cidr}?")
    return parsed


def subnet(prefix: str, bits: int, number: int) -> IPNetwork:
    """Return the ``number``-th prefix of length ``bits`` inside a prefix.

    :raises ValueError: the prefix has no such part: it is exhausted.
    """
    version, start, last = _bounds(prefix)
    size = 1 << ((32 if version == 4 else 128) - bits)  # noqa: PLR2004
    first = start + number * size
    if first + size - 1 > last:
        raise ValueError(f"{prefix} is exhausted: it has no /{bits} number {number}")
    return IPNetwork((first, bits), version=version)


def address(prefix: str, number: int) -> str:
    """Return the ``number``-th address of a prefix, in canonical form.

    IPv6 host numbers are written as the same digits that IPv4 uses (``10`` is ``::10``), so that people recognise them.
    """
    version, first, last = _bounds(prefix)
    value = first + (number if version == 4 else int(str(number), 16))  # noqa: PLR2004
    if value > last:
        raise IndexError(f"{prefix} has no address number {number}")
    return str(IPAddress(value, version))


@lru_cache(maxsize=256)
def _bounds(prefix: str) -> tuple[Literal[4, 6], int, int]:
    """Return version, first and last address; a unit's description asks for those of a few prefixes many times."""
    parsed = IPNetwork(prefix)
    return parsed.version, parsed.first, parsed.last


def overlap(prefixes: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the owners of the first two prefixes that overlap, by one sorted sweep; input is (owner, prefix)."""
    previous_last, previous_owner = -1, ""
    parsed = ((owner, span(prefix, 6 if ":" in prefix else 4)) for owner, prefix in prefixes)
    for owner, prefix in sorted(parsed, key=lambda item: (item[1].first, -item[1].last)):
        if prefix.first <= previous_last:
            return previous_owner, owner
        previous_last, previous_owner = prefix.last, owner
    return None
