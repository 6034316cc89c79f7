"""Record sets and their owner marks as values; names without the final dot, values in presentation form.

The mark of a record set lies beside it in the zone, as a TXT record at ``_donvi-owner.<name>``, one per type::

    _donvi-owner.gw.vung-tau.tphcm.test. TXT "donvi A 26506 gw.vung-tau.tphcm.test/A"

so the TSIG key that may write a name may write its mark, and both change in one update.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
from msgspec import Struct

from donvi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK_LABEL = "_donvi-owner"
TYPES = frozenset({"A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT"})

_LABEL = re.compile(r"\A(?:\*|[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)\Z")


class RecordSet(Struct, frozen=True, kw_only=True):
    """All records of one name and type; ``ttl`` in seconds."""

    name: str
    type: str
    ttl: int
    values: tuple[str, ...]


class Mark(Struct, frozen=True):
    """Whose a record set is."""

    unit: str
    key: str


def canonical_name(text: str) -> str:
    """Return a name in lower case without the final dot.

    :raises UsageError: it is no absolute host name of letters, digits, hyphens and underscores (RFC 1123, RFC 8552).
    """
    name = text.removesuffix(".").lower()
    labels = name.split(".")
    whole = len(name) <= 253 - len(MARK_LABEL) - 1
    if not whole or not all(_LABEL.match(label) for label in labels) or "*" in labels[1:]:
        raise UsageError(
            f"{text!r} is not a DNS name", hint="use labels of letters, digits and hyphens, at most 63 characters each"
        )
    return name


def absolute(name: str) -> dns.name.Name:
    """Return a name as dnspython's absolute name."""
    return dns.name.from_text(canonical_name(name), origin=dns.name.root)


def mark_name(name: str) -> dns.name.Name:
    """Return the name that the marks of a name lie at."""
    return dns.name.from_text(f"{MARK_LABEL}.{canonical_name(name)}", origin=dns.name.root)


def rdataset(kind: str, ttl: int, values: Iterable[str]) -> dns.rdataset.Rdataset:
    """Parse values into an rdataset.

    :raises UsageError: the type isn't one we manage, there is no value, or one isn't of the type's form.
    """
    if kind not in TYPES:
        raise UsageError(
            f"{kind!r} is not a record type that donvi manages", hint=f"use one of {', '.join(sorted(TYPES))}"
        )
    records = dns.rdataset.Rdataset(dns.rdataclass.IN, dns.rdatatype.from_text(kind))
    for value in values:
        try:
            record = dns.rdata.from_text(dns.rdataclass.IN, kind, value, origin=dns.name.root, relativize=False)
        except (dns.exception.DNSException, ValueError) as error:
            raise UsageError(
                f"{value!r} is not a value of a {kind} record: {error}",
                hint="write it as in a zone file, texts in quotes",
            ) from None
        records.add(record, ttl)
    if not records:
        raise UsageError("a record set needs at least one value", hint="remove the resource to remove the records")
    return records


def canonical_values(kind: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return values as the server answers them, sorted and without duplicates.

    :raises UsageError: see :func:`rdataset`.
    """
    return tuple(sorted(record.to_text() for record in rdataset(kind, 0, values)))


def mark_text(kind: str, mark: Mark) -> str:
    """Return the presentation form of a mark's TXT record."""
    text = f"donvi {kind} {mark.unit} {mark.key}".replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def parse_marks(records: dns.rdataset.Rdataset | None) -> dict[str, Mark]:
    """Return the marks of a name by record type; texts that aren't marks are left out."""
    marks = {}
    for record in records or ():
        words = b"".join(record.strings).decode("utf-8", "replace").split(" ", 3)
        if len(words) == 4 and words[0] == "donvi":  # noqa: PLR2004 - donvi TYPE UNIT KEY
            marks[words[1]] = Mark(unit=words[2], key=words[3])
    return marks
