"""Faults are made on the real lab, on one pilot unit, and always undone: the unit is open again afterwards."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.lab import REPOSITORY, Lab, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CODE = "26740"
STACK = "26740-sai-gon"
FLOW = "  - {{segment: office, endpoint: workstation, protocol: tcp, port: {}}}\n"
NEWCOMERS = iter(
    [
        "cb-267901,Phan Thử Một,clerk,mot.phan-thu,801,yes",
        "cb-267902,Phan Thử Hai,clerk,hai.phan-thu,802,yes",
        "cb-267903,Phan Thử Ba,it-officer,ba.phan-thu,803,yes",
        "cb-267904,Phan Thử Bốn,clerk,bon.phan-thu,804,yes",
    ]
)


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()


@pytest.fixture(scope="session")
def code() -> str:
    return CODE


@pytest.fixture(scope="session")
def roster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the city whose roster of the unit a test may add to."""
    copy = tmp_path_factory.mktemp("city") / "city"
    shutil.copytree(REPOSITORY / "city", copy)
    return copy / "people" / f"{CODE}.csv"


@pytest.fixture
def newcomer(roster: Path) -> str:
    """Add a person to the unit's roster, so that its stack has something to do; return the employee id."""
    line = next(NEWCOMERS)
    roster.write_text(roster.read_text(encoding="utf-8").rstrip("\n") + f"\n{line}\n", encoding="utf-8")
    return line.split(",")[0]


@pytest.fixture
def flows(roster: Path) -> Iterator[Callable[..., None]]:
    """Write the catalogue with further flows to these ports; in the end without any."""
    system = roster.parents[1] / "systems/tthc.yaml"
    before = system.read_text(encoding="utf-8")

    def write(*ports: int) -> None:
        system.write_text(before.replace("flows:\n", "flows:\n" + "".join(map(FLOW.format, ports))), encoding="utf-8")

    yield write
    system.write_text(before, encoding="utf-8")


@pytest.fixture(scope="session")
def stack(lab: Lab, roster: Path) -> Iterator[Stack]:
    """The unit's stack as the copy of the city wants it; in the end as the real one does."""
    yield Stack(lab, STACK, {"DONVI_CITY": str(roster.parents[1])})
    done = Stack(lab, STACK).up()
    assert done.code == 0, f"the unit could not be brought back: {done.text[-3000:]}"
