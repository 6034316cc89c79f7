"""Pages of the city's units, as they would be served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from donvi.site import render
from donvi.tenancy.describe import describe
from donvi.tenancy.site import site_page

if TYPE_CHECKING:
    from donvi.registry import City
    from donvi.tenancy.model import SitePage

VUNG_TAU = "26506"


def said(city: City, code: str) -> SitePage:
    facts = describe(city, code).unit
    return site_page(city, facts, f"www.{facts.domain}")


@pytest.fixture(scope="session")
def pages(city: City) -> dict[str, SitePage]:
    """What the sites of all units say, by code."""
    return {code: said(city, code) for code in city.units}


@pytest.fixture(scope="session")
def sites(pages: dict[str, SitePage]) -> dict[str, dict[str, str]]:
    """The files of all units' sites, by code and name."""
    return {code: render(page) for code, page in pages.items()}


@pytest.fixture(scope="session")
def page(pages: dict[str, SitePage]) -> SitePage:
    return pages[VUNG_TAU]


@pytest.fixture(scope="session")
def index(sites: dict[str, dict[str, str]]) -> str:
    return sites[VUNG_TAU]["index.html"]
