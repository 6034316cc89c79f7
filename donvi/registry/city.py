"""The whole city from its folder, parsed and checked once."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from donvi.errors import DataError
from donvi.registry.catalogue import host_names, read_systems
from donvi.registry.files import shown
from donvi.registry.images import read_images
from donvi.registry.ledger import current, read_ledger
from donvi.registry.model import Allotment, City, Settings, System, Unit
from donvi.registry.people import read_people
from donvi.registry.portal import read_contacts, read_portal
from donvi.registry.settings import read_posts, read_settings
from donvi.registry.units import COLUMNS, read_sites, read_sources, read_units

if TYPE_CHECKING:
    from collections.abc import Mapping

    from donvi.registry.tables import Row


def city_folder(path: Path | None = None) -> Path:
    """Return the folder of the city's data: the argument, else ``DONVI_CITY``, else the repository's ``city``."""
    if path is not None:
        return path
    chosen = os.environ.get("DONVI_CITY")
    return Path(chosen) if chosen else Path(__file__).resolve().parents[2] / "city"


def load_city(path: Path | None = None) -> City:
    """Read everything below the city's folder.

    :raises DataError: the first thing that is wrong, with file, row and column; nothing of the city can be used then.
    """
    folder = city_folder(path)
    settings = read_settings(folder / "city.yaml")
    posts = read_posts(folder / "posts.yaml")
    images = read_images(folder / "images.yaml")
    systems = read_systems(folder / "systems", settings, posts, images)
    units = read_units(folder / "units.csv")
    allotments = current(read_ledger(folder / "ledger.csv", settings))
    _check_allotments(folder, settings, systems, units, allotments)
    people = read_people(folder / "people", units, posts, systems)
    portal = read_portal(folder / "portal.yaml", systems)
    return City(
        path=str(folder),
        settings=settings,
        synthetic=read_sources(folder / "units.sources.yaml", COLUMNS),
        units=MappingProxyType({code: unit for code, (unit, _) in units.items()}),
        allotments=MappingProxyType({code: allotments[code] for code in units}),
        sites=MappingProxyType(read_sites(folder / "sites.csv", units)),
        posts=MappingProxyType(posts),
        systems=MappingProxyType(systems),
        images=images,
        people=MappingProxyType(people),
        portal=portal,
        contacts=read_contacts(folder / "contacts.csv", folder / "contacts.sources.yaml", units, portal),
    )


def _check_allotments(
    folder: Path,
    settings: Settings,
    systems: Mapping[str, System],
    units: Mapping[str, tuple[Unit, Row]],
    allotments: Mapping[str, Allotment],
) -> None:
    for unit, row in units.values():
        if unit.code not in allotments:
            message = f"unit {unit.code} ({unit.name}) has no numbers in the ledger"
            raise row.error("code", message, "run `donvi ledger allocate`")
    servers = host_names(settings, systems)
    for allotment in allotments.values():
        if allotment.slug in servers:
            raise DataError(
                f"the slug {allotment.slug!r} of unit {allotment.code} is also a system's or server's host name",
                file=shown(folder / "ledger.csv"),
                hint="rename the system: a slug never changes",
            )
