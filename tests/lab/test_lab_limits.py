"""The host's ceiling on watches: raised where it is too low, put back when the lab goes down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import limits

if TYPE_CHECKING:
    from pathlib import Path

    from lab.settings import LabSettings


@pytest.fixture
def ceiling(tmp_path: Path) -> Path:
    path = tmp_path / "max_user_instances"
    path.write_text("128\n")
    return path


def test_a_low_ceiling_is_raised_and_put_back(paper_lab: LabSettings, ceiling: Path) -> None:
    limits.ensure(paper_lab, 12, ceiling)
    assert int(ceiling.read_text()) == limits.ENOUGH
    limits.ensure(paper_lab, 200, ceiling)
    assert int(ceiling.read_text()) > 200 * 6
    limits.restore(paper_lab, ceiling)
    assert int(ceiling.read_text()) == 128


def test_a_sufficient_ceiling_is_left_alone(paper_lab: LabSettings, ceiling: Path) -> None:
    ceiling.write_text("8192\n")
    limits.ensure(paper_lab, 12, ceiling)
    limits.restore(paper_lab, ceiling)
    assert int(ceiling.read_text()) == 8192


def test_what_somebody_set_meanwhile_stays(paper_lab: LabSettings, ceiling: Path) -> None:
    limits.ensure(paper_lab, 12, ceiling)
    ceiling.write_text("4096\n")
    limits.restore(paper_lab, ceiling)
    assert int(ceiling.read_text()) == 4096


def test_a_lab_beside_one_that_raised_it_takes_nothing_away(
    paper_lab: LabSettings, ceiling: Path, tmp_path: Path
) -> None:
    limits.ensure(paper_lab, 12, ceiling)
    beside = type(paper_lab)(home=tmp_path / "beside", cache=paper_lab.cache)
    limits.ensure(beside, 8, ceiling)
    limits.restore(beside, ceiling)
    assert int(ceiling.read_text()) == limits.ENOUGH
