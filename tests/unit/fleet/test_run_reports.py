"""What is reported of a run to people who weren't there."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from donvi.fleet.model import Failure, Operation
from donvi.fleet.owners import myself
from donvi.fleet.progress import Picture, RunState, StackStory
from donvi.fleet.readiness import headline, markdown, run_report
from donvi.fleet.records import Judged, State, Unhealthy
from donvi.tenancy import names

if TYPE_CHECKING:
    from donvi.registry import City

GOLDEN = Path(__file__).with_name("golden")
BEGUN = datetime(2026, 11, 24, 20, tzinfo=UTC)


def run(city: City) -> Picture:
    """All units: three failed alike, one otherwise, two weren't come to; a gate asked fifteen and found one wanting."""
    stacks = [
        StackStory(stack="platform", code="", name="", locality="", wave=0, state=State.UNCHANGED, counts={"same": 180})
    ]
    for number, (code, unit) in enumerate(city.units.items()):
        stack = names.stack(city.allotments[code])
        state, failure = State.DONE, None
        if 20 <= number < 24:
            what = f"ou={code}: nobody answers at 10.0.1.10" if number < 23 else "the disk of gw-25888 is full"
            state, failure = State.FAILED, Failure("engine", what, f"repair it, then `pulumi up -s {stack}`")
        if number >= 166:
            state = State.UNSTARTED
        stacks.append(
            StackStory(
                stack=stack,
                code=code,
                name=unit.name,
                locality=unit.locality,
                wave=1,
                state=state,
                counts={"create": 106} if state is State.DONE else {},
                failure=failure,
            )
        )
    asked = tuple(list(city.units)[:15])
    gate = Judged(1, asked, (Unhealthy(asked[3], "mail: delivery: no answer; tthc: login: 401"),), BEGUN, "1 of 15")
    return Picture(
        id="20261124T200000Z-4f2a",
        operation=Operation.UP,
        state=RunState.FAILED,
        begun=BEGUN,
        ended=BEGUN,
        exit_code=5,
        why="",
        owner=myself("x"),
        revision="3f2c1ab",
        arguments=("up", "--all"),
        at_wave=1,
        waves=2,
        stacks=tuple(stacks),
        gates=(gate,),
        systems={"directory": 4000, "mail": 2000},
    )


def test_failures_that_are_alike_are_told_once(city: City) -> None:
    report = run_report(run(city), city)
    assert [len(group.stacks) for group in report.failures] == [3, 1]
    assert report.failures[0].message == "ou=‹code›: nobody answers at 10.0.1.10"
    assert report.failures[1].message == "the disk of gw-25888 is full", "one alone in its own words"
    assert not report.ready
    assert len(report.unfinished) == 6


def test_localities_and_systems_have_their_rows(city: City) -> None:
    report = run_report(run(city), city)
    assert sum(row.stacks for row in report.localities) == 169
    assert report.localities[-1].name == "dùng chung"
    assert sum(row.asked for row in report.localities) == 15
    assert sum(row.open for row in report.localities) == 14
    wanting = {row.name: row.wanting for row in report.systems if row.wanting}
    assert wanting == {"mail": (list(city.units)[3],), "tthc": (list(city.units)[3],)}


def test_a_run_in_which_all_went_well_is_ready(city: City) -> None:
    seen = run(city)
    stacks = tuple(msgspec.structs.replace(one, state=State.UNCHANGED, failure=None) for one in seen.stacks)
    well = msgspec.structs.replace(seen, stacks=stacks, gates=(), state=RunState.DONE)
    report = run_report(well, city)
    assert report.ready
    assert headline(report) == "ready: up of 169 stacks done"
    running = msgspec.structs.replace(stacks[4], state=State.RUNNING)
    assert not run_report(msgspec.structs.replace(well, stacks=(*stacks, running)), city).ready


def test_the_markdown_is_the_one_a_person_approved(city: City) -> None:
    given = markdown(run_report(run(city), city))
    path = GOLDEN / "report.md"
    if os.environ.get("DONVI_REWRITE"):
        path.write_text(given, encoding="utf-8")
    assert given == path.read_text(encoding="utf-8")
