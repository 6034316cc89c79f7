"""A unit's web site in a real browser, over TLS that is verified.

    make test-browser                      # the lab's gateway when the lab is up, else the site server on loopback
    make test-browser ARGS=--site=lab      # the gateway, or a failure

Screenshots go to ``reports/browser``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import chromium, serving
from tests.support.ca import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

    from tests.browser.serving import Served

UNIT = "26506"
REPORTS = Path(__file__).parents[2] / "reports" / "browser"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--site",
        choices=("auto", "lab", "loopback"),
        default="auto",
        help="where the pages come from; auto: the lab's gateway when the lab is up",
    )


def pytest_report_header(config: pytest.Config) -> str:
    wanted = config.getoption("--site")
    return f"web site: {'the gateway of the lab' if wanted != 'loopback' and serving.gateway(UNIT) else 'on loopback'}"


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with chromium.driver() as running:
        yield running


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The first pilot's site."""
    wanted = request.config.getoption("--site")
    found = None if wanted == "loopback" else serving.gateway(UNIT)
    if found:
        yield found
        return
    if wanted == "lab":
        pytest.fail("the lab isn't up with a cluster: `make up` first")
    with serving.loopback(UNIT, tmp_path_factory.mktemp("site"), Authority()) as served:
        yield served


@pytest.fixture(scope="session")
def browser(playwright: Playwright, site: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium.browser(playwright, tmp_path_factory.mktemp("home"), site) as running:
        yield running


@pytest.fixture(scope="session")
def reports() -> Path:
    REPORTS.mkdir(parents=True, exist_ok=True)
    return REPORTS
