"""The runner of `make up`: order, costs, the first error ends the run."""

from __future__ import annotations

import io
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from donvi.errors import LabError
from lab import lock, stages
from lab.stages import Stage, Steps

if TYPE_CHECKING:
    from lab.settings import LabSettings
    from lab.stages import Progress


def burn(_: Progress) -> str:
    subprocess.run(["sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"], check=True)
    return "burned"


def fail(_: Progress) -> str:
    raise LabError("the second stage can't")


def test_stages_run_in_order_and_each_is_a_line_of_a_log() -> None:
    log = io.StringIO()
    Steps(log).carry_out([Stage("Machines", lambda _: "5 running"), Stage("Data centre", lambda _: "")])
    lines = [line.split("s  ", 1)[1] for line in log.getvalue().splitlines()]
    assert [line.split(" (")[0] for line in lines] == [
        "Machines …",
        "Machines: 5 running",
        "Data centre …",
        "Data centre: done",
    ]


def test_the_first_error_ends_the_run_and_names_its_stage(paper_lab: LabSettings) -> None:
    after: list[str] = []
    third = Stage("Third", lambda _: after.append("ran") or "")
    with pytest.raises(LabError, match="second stage"):
        stages.run(paper_lab, [Stage("First", lambda _: ""), Stage("Second", fail), third], "make up")
    assert after == []
    kept = json.loads((paper_lab.home / "last-run.json").read_text())
    assert [cost["stage"] for cost in kept] == ["First"]
    assert lock.holder(paper_lab) is None, "a failed run holds nothing"


def test_processor_time_of_a_stages_programs_is_counted(paper_lab: LabSettings) -> None:
    costs = stages.run(paper_lab, [Stage("Burn", burn), Stage("Rest", lambda _: "")], "make up")
    assert costs[0].cpu > 0.02
    assert costs[1].cpu < costs[0].cpu


def test_the_lab_is_held_while_stages_run(paper_lab: LabSettings) -> None:
    seen: list[object] = []

    def look(_: Progress) -> str:
        seen.append((lock.holder(paper_lab) or {}).get("purpose"))
        return ""

    stages.run(paper_lab, [Stage("Look", look)], "make up")
    assert seen == ["make up"]
