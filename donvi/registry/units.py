"""The units, where their columns come from, and their sites."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from donvi.registry.documents import read_document
from donvi.registry.model import Site, Sources, Unit
from donvi.registry.tables import Row, read_table
from donvi.registry.text import name_problem

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

COLUMNS = ("code", "name", "kind", "locality", "wave", "population_class", "predecessors")
KINDS = ("phường", "xã", "đặc khu")
POPULATION_CLASSES = ("small", "medium", "large")

FURTHER_SITES = 9
"""Sites of a unit beside the main one: as many as there are /24 between the segments of the main site and transit."""

_CODE = re.compile(r"[0-9]{5}")
_SITE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def read_units(path: Path) -> dict[str, tuple[Unit, Row]]:
    """Return the units of ``units.csv`` by code, each with its row for later errors; ordered by code.

    :raises DataError: a code, kind, wave or class that isn't one, a doubled code, a name that isn't canonical.
    """
    units: dict[str, tuple[Unit, Row]] = {}
    for row in read_table(path, COLUMNS):
        unit = _unit(row)
        if unit.code in units:
            raise row.error("code", f"{unit.code} stands in row {units[unit.code][1].number} already")
        units[unit.code] = (unit, row)
    return dict(sorted(units.items()))


def _unit(row: Row) -> Unit:
    if not _CODE.fullmatch(row["code"]):
        raise row.error("code", f"{row['code']!r} isn't a code of five digits")
    if wrong := name_problem(row["name"]):
        raise row.error("name", *wrong)
    if row["kind"] not in KINDS:
        raise row.error("kind", f"{row['kind']!r} isn't a kind of unit", f"kinds are {', '.join(KINDS)}")
    if not row["name"].lower().startswith(row["kind"] + " "):
        raise row.error("name", f"{row['name']!r} doesn't start with the kind {row['kind']!r}")
    if wrong := name_problem(row["locality"]):
        raise row.error("locality", *wrong)
    if row["population_class"] not in POPULATION_CLASSES:
        hint = f"classes are {', '.join(POPULATION_CLASSES)}"
        raise row.error("population_class", f"{row['population_class']!r} isn't a class", hint)
    predecessors = tuple(filter(None, row["predecessors"].split(";")))
    for code in predecessors:
        if not _CODE.fullmatch(code):
            raise row.error("predecessors", f"{code!r} isn't a code of five digits", "separate codes by semicolons")
    return Unit(
        code=row["code"],
        name=row["name"],
        kind=row["kind"],
        locality=row["locality"],
        wave=row.integer("wave", 1, 99),
        population_class=row["population_class"],
        predecessors=predecessors,
    )


def read_sources(path: Path, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of a table whose values have no source, sorted.

    :param columns: every column of the table.

    :raises DataError: a column is missing, unknown or named twice.
    """
    document = read_document(path)
    sources = document.parse(Sources).columns
    names = [source.name for source in sources]
    for index, name in enumerate(names):
        if name not in columns or name in names[:index]:
            raise document.error(f"$.columns[{index}].name", f"{name!r} is unknown or stands twice")
    if missing := [name for name in columns if name not in names]:
        raise document.error("$.columns", f"the source of column {missing[0]!r} is missing")
    return tuple(sorted(source.name for source in sources if source.synthetic))


def read_sites(path: Path, codes: Collection[str]) -> dict[str, tuple[Site, ...]]:
    """Return the sites of every unit by code, the main one first.

    A site's number is written in the file, so that adding or closing a site renumbers none.

    :raises DataError: an unknown unit, a doubled site or number, a unit without its site ``main``.
    """
    sites: dict[str, list[Site]] = {code: [] for code in sorted(codes)}
    for row in read_table(path, ("unit", "id", "number", "title")):
        number = row.integer("number", 0, FURTHER_SITES)
        site = Site(unit=row["unit"], id=row["id"], number=number, title=row["title"])
        if site.unit not in sites:
            raise row.error("unit", f"there is no unit {site.unit!r}", "units.csv lists the codes")
        if not _SITE.fullmatch(site.id):
            raise row.error("id", f"{site.id!r} isn't an id", "lower-case ASCII words joined by dashes")
        if wrong := name_problem(site.title):
            raise row.error("title", *wrong)
        if site.id in [other.id for other in sites[site.unit]]:
            raise row.error("id", f"unit {site.unit} has a site {site.id!r} already")
        if site.id != "main" and not sites[site.unit]:
            raise row.error("id", f"the first site of unit {site.unit} must be 'main'")
        if (site.id == "main") != (site.number == 0):
            raise row.error("number", f"{site.number} isn't a number of site {site.id!r}", "0 is the site main's")
        if site.number in [other.number for other in sites[site.unit]]:
            raise row.error("number", f"unit {site.unit} has a site {site.number} already", "take a number never used")
        sites[site.unit].append(site)
    return {code: tuple(found) for code, found in sites.items() if found}
