"""Allotting numbers: what `donvi ledger allocate` appends to the ledger.

Deterministic: units without numbers are taken in the order of their codes, each gets the next slot that was never
used. A slot gives /20, /56, VLAN, uid range and identification code together. Existing lines are never touched.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
from contextlib import contextmanager
from itertools import chain as chain_of
from itertools import count
from typing import TYPE_CHECKING

from donvi.errors import DataError, LockedError, UsageError
from donvi.registry.addresses import subnet
from donvi.registry.files import read_text, shown
from donvi.registry.ledger import COLUMNS, NUMBERS, Line, chain, current, genesis, read_ledger
from donvi.registry.model import Allotment, Settings, Unit
from donvi.registry.text import slugify

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


def plan(settings: Settings, units: Mapping[str, Unit], lines: Sequence[Line], taken: Collection[str]) -> list[Line]:
    """Return the lines that give numbers to every unit without them.

    :param taken: host names that no slug may have: the systems' and the city's servers.
    :raises DataError: a pool is exhausted.
    """
    used = [line.allotment for line in lines if line.allotment]
    slugs = {allotment.slug for allotment in used} | set(taken)
    slot = max((_slot(settings, allotment) for allotment in used), default=-1) + 1
    known = current(lines)
    new: list[Allotment] = []
    for unit in sorted(units.values(), key=lambda unit: unit.code):
        if unit.code not in known:
            slug = _slug(unit, slugs)
            slugs.add(slug)
            new.append(_numbers(settings, unit, slug, slot + len(new)))
    return _append(settings, lines, (("allot", allotment.code, allotment) for allotment in new))


def plan_retirement(settings: Settings, lines: Sequence[Line], code: str) -> list[Line]:
    """Return the tombstone of a unit.

    :raises UsageError: the unit has no numbers in force.
    """
    if code not in current(lines):
        raise UsageError(f"unit {code} has no numbers in the ledger", hint="`donvi ledger check` lists what there is")
    return _append(settings, lines, [("retire", code, None)])


def append_lines(path: Path, settings: Settings, expected: Sequence[Line], new: Sequence[Line]) -> None:
    """Write new lines at the end of the ledger, all or none.

    :param expected: the lines the plan was made from; a ledger that changed meanwhile is refused.
    :raises LockedError: somebody else is writing, or wrote since.
    """
    with _lock(path):
        if path.exists() and read_ledger(path, settings) != list(expected):
            raise LockedError(f"{shown(path)} changed while the plan was made", hint="run the command again")
        text = read_text(path) if path.exists() else ",".join(COLUMNS) + "\n"
        scratch = path.with_name(f".{path.name}.new")
        scratch.write_text(text + render(new), encoding="utf-8")
        read_ledger(scratch, settings)
        with scratch.open("rb") as handle:
            os.fsync(handle.fileno())
        scratch.replace(path)


def render(lines: Iterable[Line]) -> str:
    """Lines as CSV text."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([*_fields(line), line.digest] for line in lines)
    return out.getvalue()


def _slug(unit: Unit, taken: Collection[str]) -> str:
    """Return the slug of the name without its kind.

    When a unit (a retired one, too) or a server has it already, the code is added; after that, a count.
    """
    short = unit.name[len(unit.kind) :] if unit.name.lower().startswith(unit.kind.lower()) else unit.name
    slug = slugify(short)
    if not slug or not slug[0].isalpha():
        slug = f"{slugify(unit.kind)}-{slug}".strip("-")
    candidates = chain_of((slug, f"{slug}-{unit.code}"), (f"{slug}-{unit.code}-{n}" for n in count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)


def _slot(settings: Settings, allotment: Allotment) -> int:
    """Return the slot that numbers were made from; the uid range tells it."""
    return (allotment.uid_first - settings.pools.uid_first) // settings.pools.uid_per_unit


def _numbers(settings: Settings, unit: Unit, slug: str, slot: int) -> Allotment:
    pools = settings.pools
    try:
        vlan = pools.service_vlan_first + slot
        if vlan > pools.service_vlan_last:
            raise ValueError(f"service VLANs end at {pools.service_vlan_last}")  # noqa: TRY301
        return Allotment(
            code=unit.code,
            slug=slug,
            identification=f"{pools.identification_prefix}.{pools.identification_first + slot}",
            ipv4=_unit_prefix(pools.ipv4, pools.ipv4_reserved, pools.ipv4_unit_bits, slot),
            ipv6=_unit_prefix(pools.ipv6, pools.ipv6_reserved, pools.ipv6_unit_bits, slot),
            service_vlan=vlan,
            uid_first=pools.uid_first + slot * pools.uid_per_unit,
        )
    except ValueError as error:
        message = f"no numbers left for unit {unit.code} ({unit.name}): {error}"
        raise DataError(message, file="city.yaml", hint="widen the pool; numbers in use stay as they are") from error


def _unit_prefix(pool: str, reserved: str, bits: int, slot: int) -> str:
    """Return the slot's prefix; the reserved range is the pool's first part, slots start after it."""
    skipped = 1 << (bits - int(reserved.partition("/")[2]))
    return str(subnet(pool, bits, skipped + slot))


def _append(
    settings: Settings, lines: Sequence[Line], events: Iterable[tuple[str, str, Allotment | None]]
) -> list[Line]:
    previous = lines[-1].digest if lines else genesis(settings.id)
    new: list[Line] = []
    for seq, (event, code, allotment) in enumerate(events, len(lines) + 1):
        line = Line(seq=seq, event=event, code=code, allotment=allotment, digest="")
        previous = chain(previous, _fields(line))
        new.append(Line(seq=seq, event=event, code=code, allotment=allotment, digest=previous))
    return new


def _fields(line: Line) -> list[str]:
    numbers = [str(getattr(line.allotment, name)) if line.allotment else "" for name in NUMBERS]
    return [str(line.seq), line.event, line.code, *numbers]


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Be the single writer: an advisory lock on the ledger's folder, freed by the kernel when its owner dies."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise LockedError(f"{shown(path)} is being written by somebody else", hint="wait for it to end") from error
    finally:
        os.close(folder)
