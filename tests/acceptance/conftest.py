"""The acceptance suite of one unit: every test judges what a real system answered, none asks the provider.

    donvi verify 26506
    pytest tests/acceptance --unit 26506 --junitxml report.xml     # the same, as CI may want it
    pytest tests/acceptance                                        # every unit that has machines in this lab

All systems are asked at once when the session starts (``donvi.verify.ask``); a test then judges one answer. A test that
can't be judged, because a system is down say, is *inconclusive*: reported as not passed, with that word. What is asked
about is the unit's tenancy, so a unit with another role, mailbox or certificate has another set of tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from donvi.errors import DonviError
from donvi.registry import find_unit, load_city
from donvi.tenancy import describe
from donvi.verify.reporting import Reporting
from donvi.verify.suite import Suite

ALL_UNITS = "test_units.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("donvi")
    group.addoption("--unit", default="", help="code, slug or name of the unit to ask about")
    group.addoption("--results-fd", type=int, default=-1, help="file descriptor that gets each result as a JSON line")


def pytest_configure(config: pytest.Config) -> None:
    query = config.getoption("--unit")
    if not query:
        return
    try:
        city = load_city()
        tenancy = describe(city, find_unit(city, query).code)
    except DonviError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(Suite(city, tenancy), "donvi-suite")
    config.pluginmanager.register(Reporting(tenancy.unit, config.getoption("--results-fd")), "donvi-reporting")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With a unit named its checks are the tests, else every unit is one test."""
    if collection_path.parent != Path(__file__).parent or collection_path.suffix != ".py":
        return None
    return (collection_path.name == ALL_UNITS) == bool(config.getoption("--unit")) or None
