"""The city as it is, and copies of it that a test may spoil."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from donvi.registry import City, Settings, load_city

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def city() -> City:
    return load_city(REPOSITORY / "city")


@pytest.fixture(scope="session")
def settings(city: City) -> Settings:
    return city.settings


@pytest.fixture
def city_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private copy of the city's folder, which DONVI_CITY names."""
    copy = tmp_path / "city"
    shutil.copytree(REPOSITORY / "city", copy)
    monkeypatch.setenv("DONVI_CITY", str(copy))
    return copy


@pytest.fixture
def edit(city_copy: Path) -> Callable[[str, str, str], None]:
    """Replace a text that must stand in a file of the copy exactly once."""

    def replace(file: str, old: str, new: str) -> None:
        path = city_copy / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")

    return replace
