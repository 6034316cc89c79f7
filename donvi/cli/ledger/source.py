"""What both verbs of ``donvi ledger`` read: the ledger and what decides who needs a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from donvi.registry import Settings, Unit, city_folder
from donvi.registry.catalogue import host_names, read_systems
from donvi.registry.images import read_images
from donvi.registry.ledger import Line, current, read_ledger
from donvi.registry.settings import read_posts, read_settings
from donvi.registry.units import read_units

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Source(Struct, frozen=True, kw_only=True):
    """The verified ledger beside the units; units may still be without a line."""

    path: Path
    settings: Settings
    units: Mapping[str, Unit]
    lines: tuple[Line, ...]
    taken: frozenset[str]  # host names that no slug may have

    @property
    def missing(self) -> list[str]:
        """Codes of units without numbers."""
        return sorted(set(self.units) - set(current(self.lines)))

    @property
    def abandoned(self) -> list[str]:
        """Codes with numbers in force whose unit is no longer in ``units.csv``."""
        return sorted(set(current(self.lines)) - set(self.units))


def read_source() -> Source:
    """Read and verify.

    :raises DataError: the ledger, or what it depends on, is wrong.
    """
    folder = city_folder()
    settings = read_settings(folder / "city.yaml")
    posts, images = read_posts(folder / "posts.yaml"), read_images(folder / "images.yaml")
    systems = read_systems(folder / "systems", settings, posts, images)
    path = folder / "ledger.csv"
    return Source(
        path=path,
        settings=settings,
        units={code: unit for code, (unit, _) in read_units(folder / "units.csv").items()},
        lines=tuple(read_ledger(path, settings)) if path.exists() else (),
        taken=host_names(settings, systems),
    )
