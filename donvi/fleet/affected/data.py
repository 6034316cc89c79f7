"""Which units' descriptions differ between two states of the city's data. Pure.

A unit's description is made of what all units share and of the unit's own entries (a test describes every unit from a
city that holds nothing else). So where the shared part is equal, only units whose own entries differ are described,
twice, and what costs is the number of edited units, not that of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from donvi.tenancy import describe, platform_description

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.registry import City

PLATFORM = "platform"
NAMED = 3
"""How many differences a reason names; the rest is counted."""

PROGRAM_READS = ("settings.id", "settings.domain")
"""What the program reads of the city beside descriptions; a test compares it with the program's text."""

_KEYS = ("id", "address", "name", "code")


class Parts(msgspec.Struct, frozen=True):
    """A city in two parts: what all units share, and the entries that carry a unit's code."""

    shared: dict[str, Any]
    own: dict[str, Mapping[str, Any]]

    def of(self, code: str) -> dict[str, Any]:
        """Return one unit's entries."""
        return {field: entries[code] for field, entries in self.own.items() if code in entries}


def parts(city: City) -> Parts:
    """Take a city apart: a mapping by units' codes is the units' own, everything else is shared."""
    shared: dict[str, Any] = {}
    own: dict[str, Mapping[str, Any]] = {}
    codes = set(city.units)
    for field, value in _fields(city, ""):
        if isinstance(value, Mapping) and set(value) <= codes:
            own[field] = value
        elif field != "path":
            shared[field] = value
    return Parts(shared, own)


def narrowed(city: City, code: str) -> City:
    """Return the city as one unit sees it: what is shared, and of all mappings by code the unit's entry alone."""
    kept: dict[str, Any] = {}
    for name in city.__struct_fields__:
        value = getattr(city, name)
        if isinstance(value, Mapping) and set(value) <= set(city.units):
            kept[name] = {code: value[code]} if code in value else {}
    contacts = city.contacts
    kept["contacts"] = msgspec.structs.replace(
        contacts, units={code: contacts.units[code]} if code in contacts.units else {}
    )
    return msgspec.structs.replace(city, **kept)


def compare(before: City, now: City) -> dict[str, tuple[str, ...]]:
    """Return the codes of units that differ, with the reasons; ``platform`` among them when it does."""
    was, is_ = parts(before), parts(now)
    shared = sorted(field for field in {*was.shared, *is_.shared} if was.shared.get(field) != is_.shared.get(field))
    read = tuple(f"city: {path}" for path in PROGRAM_READS if _at(before, path) != _at(now, path))
    found: dict[str, tuple[str, ...]] = {}
    for code in now.units:
        if code not in before.units:
            found[code] = ("new unit",)
        elif (shared or was.of(code) != is_.of(code)) and (
            why := (*read, *reasons(describe(before, code), describe(now, code)))
        ):
            found[code] = why
    if shared or was.own != is_.own:
        why = (*read, *reasons(platform_description(before), platform_description(now)))
        if why:
            found[PLATFORM] = why
    return found


def reasons(before: Any, now: Any) -> tuple[str, ...]:
    """Return which fields of two descriptions differ, and in them which things."""
    found = []
    for field in now.__struct_fields__:
        old, new = getattr(before, field), getattr(now, field)
        if old != new:
            told = list(_told(old, new))
            more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
            found.append(f"{field}: {', '.join(told[:NAMED])}{more}")
    return tuple(found)


def _told(old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, tuple) and isinstance(new, tuple):
        before, after = ({_key(one, n): one for n, one in enumerate(side)} for side in (old, new))
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                yield f"{'+' if key not in before else '-' if key not in after else '~'} {key}"
        if set(before) == set(after) and all(before[key] == after[key] for key in before):
            yield "another order"
    elif isinstance(old, msgspec.Struct) and isinstance(new, msgspec.Struct):
        for name in new.__struct_fields__:
            if getattr(old, name, None) != getattr(new, name):
                yield f"~ {name}"
    else:
        yield f"{old} → {new}"


def _key(one: Any, number: int) -> str:
    return next((str(getattr(one, name)) for name in _KEYS if getattr(one, name, None)), str(number))


def _fields(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield fields by name; of a struct that holds a mapping, that struct's fields."""
    for name in value.__struct_fields__:
        inner = getattr(value, name)
        if isinstance(inner, msgspec.Struct) and any(
            isinstance(getattr(inner, field), Mapping) for field in inner.__struct_fields__
        ):
            yield from _fields(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = getattr(value, name)
    return value
