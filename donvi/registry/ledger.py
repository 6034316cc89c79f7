"""The ledger: who got which numbers, for good. Reading and verifying it.

``ledger.csv`` is append-only. Every line carries a digest over the previous line's digest and its own fields, so a line
that was edited, inserted or removed in the middle is found and named; the last lines are guarded by version control.
``allot`` gives a unit its numbers, ``retire`` is the tombstone: the numbers stay quarantined and are never given again.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from donvi.registry.addresses import overlap, span
from donvi.registry.model import Allotment, Pools, Settings
from donvi.registry.tables import Row, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLUMNS = (
    "seq",
    "event",
    "code",
    "slug",
    "identification",
    "ipv4",
    "ipv6",
    "service_vlan",
    "uid_first",
    "digest",
)
NUMBERS = COLUMNS[3:9]
"""The columns that an ``allot`` line fills and a ``retire`` line leaves empty."""

_CODE = re.compile(r"[0-9]{5}")
_SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_SLUG = 50


class Line(Struct, frozen=True, kw_only=True):
    """A verified line of the ledger."""

    seq: int
    event: str  # allot | retire
    code: str
    allotment: Allotment | None  # None for retire
    digest: str


def genesis(city: str) -> str:
    """Return the digest that stands before the first line."""
    return hashlib.sha256(f"donvi ledger of {city}".encode()).hexdigest()


def chain(previous: str, fields: Sequence[str]) -> str:
    """Return the digest of a line: of the previous digest and all fields before the digest."""
    return hashlib.sha256("\n".join([previous, *fields]).encode()).hexdigest()


def read_ledger(path: Path, settings: Settings) -> list[Line]:
    """Return the ledger's lines, verified.

    :raises DataError: naming row and column of the first line that is edited, out of order, overlaps, doubles a
        number, or lies outside the city's pools or in their reserved part.
    """
    rows = read_table(path, COLUMNS)
    _verify_chain(rows, settings)
    lines = [_line(row, settings) for row in rows]
    _verify_events(rows, lines)
    _verify_unique(rows)
    _verify_prefixes(rows, settings.pools)
    return lines


def current(lines: Sequence[Line]) -> dict[str, Allotment]:
    """Return the numbers in force, by code in order: what was allotted and not retired."""
    found: dict[str, Allotment] = {}
    for line in lines:
        if line.allotment is None:
            del found[line.code]
        else:
            found[line.code] = line.allotment
    return dict(sorted(found.items()))


def _verify_chain(rows: list[Row], settings: Settings) -> None:
    previous = genesis(settings.id)
    for number, row in enumerate(rows, 1):
        expected = chain(previous, [row[name] for name in COLUMNS[:-1]])
        if row["seq"] != str(number) or row["digest"] != expected:
            raise row.error(
                "digest",
                f"the line of unit {row['code']} was edited, moved or inserted by hand: its digest doesn't follow",
                "restore the file from version control; `donvi ledger allocate` is what appends lines",
            )
        previous = expected


def _line(row: Row, settings: Settings) -> Line:
    if not _CODE.fullmatch(row["code"]):
        raise row.error("code", f"{row['code']!r} isn't a code of five digits")
    seq = row.integer("seq", 1, 10**6)
    allotment = None
    if row["event"] == "allot":
        allotment = _allotment(row, settings)
    elif row["event"] != "retire":
        raise row.error("event", f"{row['event']!r} isn't an event", "events are allot and retire")
    elif filled := [name for name in NUMBERS if row[name]]:
        raise row.error(filled[0], "a retire line carries no numbers", "leave the column empty")
    return Line(seq=seq, event=row["event"], code=row["code"], allotment=allotment, digest=row["digest"])


def _allotment(row: Row, settings: Settings) -> Allotment:
    pools = settings.pools
    if not _SLUG.fullmatch(row["slug"]) or len(row["slug"]) > _LONGEST_SLUG:
        raise row.error("slug", f"{row['slug']!r} isn't a slug", "lower-case ASCII letters, digits and single dashes")
    if not re.fullmatch(rf"{pools.identification_prefix}\.[1-9][0-9]*", row["identification"]):
        raise row.error("identification", f"{row['identification']!r} isn't {pools.identification_prefix}.<number>")
    uid_first = row.integer("uid_first", pools.uid_first, 2**31 - pools.uid_per_unit)
    if (uid_first - pools.uid_first) % pools.uid_per_unit:
        raise row.error("uid_first", f"{uid_first} isn't the first of a range of {pools.uid_per_unit}")
    return Allotment(
        code=row["code"],
        slug=row["slug"],
        identification=row["identification"],
        ipv4=_prefix(row, "ipv4", 4, pools.ipv4, pools.ipv4_unit_bits),
        ipv6=_prefix(row, "ipv6", 6, pools.ipv6, pools.ipv6_unit_bits),
        service_vlan=row.integer("service_vlan", pools.service_vlan_first, pools.service_vlan_last),
        uid_first=uid_first,
    )


def _prefix(row: Row, column: str, version: Literal[4, 6], pool: str, bits: int) -> str:
    text = row[column]
    try:
        prefix = span(text, version)
    except ValueError as error:
        raise row.error(column, str(error)) from error
    if prefix.bits != bits:
        raise row.error(column, f"{text} isn't a /{bits}")
    whole = span(pool, version)
    if not whole.first <= prefix.first <= prefix.last <= whole.last:
        raise row.error(column, f"{text} lies outside the city's {pool}")
    return text


def _verify_events(rows: list[Row], lines: list[Line]) -> None:
    active: set[str] = set()
    for row, line in zip(rows, lines, strict=True):
        if line.event == "allot" and line.code in active:
            raise row.error("code", f"unit {line.code} has numbers already", "a unit is allotted once")
        if line.event == "retire" and line.code not in active:
            raise row.error("code", f"unit {line.code} has no numbers to retire")
        (active.add if line.event == "allot" else active.remove)(line.code)


def _verify_unique(rows: list[Row]) -> None:
    for column in NUMBERS:
        seen: dict[str, Row] = {}
        for row in rows:
            if row["event"] != "allot":
                continue
            if (other := seen.setdefault(row[column], row)) is not row:
                raise row.error(
                    column,
                    f"{row[column]} of unit {row['code']} was given to unit {other['code']} in row {other.number}",
                    "numbers are never given twice, not even those of a retired unit",
                )


def _verify_prefixes(rows: list[Row], pools: Pools) -> None:
    for column, reserved in (("ipv4", pools.ipv4_reserved), ("ipv6", pools.ipv6_reserved)):
        allotted = {row["code"] + "@" + str(row.number): row for row in rows if row["event"] == "allot"}
        owners = [("", reserved), *((owner, row[column]) for owner, row in allotted.items())]
        if pair := overlap(owners):
            later = max((allotted[owner] for owner in pair if owner), key=lambda row: row.number)
            rest = [owner for owner in pair if owner and allotted[owner] is not later]
            other = f"the prefix of unit {allotted[rest[0]]['code']}" if rest else f"{reserved}, reserved for the city"
            raise later.error(column, f"{later[column]} of unit {later['code']} overlaps {other}")
