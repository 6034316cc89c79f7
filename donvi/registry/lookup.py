"""Finding a unit from what a person types: code, slug, or name without accents."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from donvi.errors import UsageError
from donvi.registry.text import fold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.registry.model import City, Unit


def closest(word: str, words: Iterable[str]) -> list[str]:
    """Up to three known words that look like this one, best first."""
    return difflib.get_close_matches(word, sorted(words), n=3, cutoff=0.6)


def find_unit(city: City, query: str) -> Unit:
    """Return the one unit that a query means.

    A code, slug or stack name is exact. A name is compared first as it is written, then without accents; with its
    kind (``phuong vung tau``) or without.

    :raises UsageError: nothing or several units match; the message lists them.
    """
    text = query.strip()
    if text in city.units:
        return city.units[text]
    written = [unit for unit in city.units.values() if text.casefold() in {n.casefold() for n in _names(unit)}]
    folded = [unit for unit in city.units.values() if fold(text) and fold(text) in {fold(n) for n in _names(unit)}]
    exact = [city.units[code] for code, numbers in city.allotments.items() if _is_slug(text, code, numbers.slug)]
    for found in (written if fold(text) != text.casefold() else [], folded if " " in text else [], exact, folded):
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(
                f"{query!r} matches {len(found)} units: {'; '.join(_label(city, unit) for unit in found)}",
                hint="say which one by its code or slug",
            )
    raise UsageError(f"there is no unit {query!r}", hint=_suggestion(city, fold(text)))


def _names(unit: Unit) -> tuple[str, str]:
    """Return the name with and without the kind."""
    return unit.name, unit.name[len(unit.kind) :].strip()


def _is_slug(text: str, code: str, slug: str) -> bool:
    return text.lower() in {slug, f"{code}-{slug}"}


def _label(city: City, unit: Unit) -> str:
    return f"{unit.code} {city.allotments[unit.code].slug} ({unit.name}, {unit.locality})"


def _suggestion(city: City, folded: str) -> str:
    by_name = {fold(name): unit for unit in city.units.values() for name in _names(unit)}
    found = [by_name[name] for name in closest(folded, by_name)]
    if folded.isdigit():
        found = sorted(city.units.values(), key=lambda unit: abs(int(unit.code) - int(folded)))[:3]
    labels = dict.fromkeys(_label(city, unit) for unit in found)
    return f"did you mean {' or '.join(labels)}?" if labels else "`donvi units` lists them all"
