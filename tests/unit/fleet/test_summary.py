"""What is said of a run when it is over, read from its records."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from donvi.cli.fleet import summary
from donvi.cli.fleet.board import Board, Lines, ended_line
from donvi.fleet import owners
from donvi.fleet.journal import Story
from donvi.fleet.model import Failure, Operation, Step
from donvi.fleet.progress import Picture, picture
from donvi.fleet.records import Closed, Ended, Head, Judged, Record, Settings, State, Touched, Unhealthy
from donvi.fleet.select import Selection, choose
from donvi.fleet.waves import plan

if TYPE_CHECKING:
    from donvi.registry import City

NOW = datetime(2026, 11, 24, 19, 7, tzinfo=UTC)


def told(city: City, *records: Record, operation: Operation = Operation.UP) -> tuple[Picture, str]:
    """Return a run of the pilots with these records, and its summary as text."""
    targets = choose(city, Selection(waves=(1,), platform=True))
    head = Head(
        id="20261124T190000Z-4f2a",
        operation=operation,
        begun=NOW - timedelta(minutes=7),
        owner=owners.myself("20261124T190000Z-4f2a"),
        arguments=("up", "--wave", "1"),
        revision="abc",
        selection=Selection(waves=(1,)),
        settings=Settings(waves=plan(targets)),
        targets=targets,
    )
    seen = picture(Story(head, records), owners.myself("reader"))
    out = Console(file=io.StringIO(), width=120, highlight=False, markup=False, emoji=False)
    summary.render(out, seen)
    assert isinstance(out.file, io.StringIO)
    return seen, out.file.getvalue()


def failed(stack: str) -> Ended:
    failure = Failure("engine", f"up of stack {stack} failed: mail: nobody answers", f"then `pulumi up -s {stack}`")
    return Ended(stack, State.FAILED, NOW, failure=failure)


def test_the_summary_counts_by_former_locality_and_by_system(city: City) -> None:
    _, text = told(
        city,
        Ended("25747-thu-dau-mot", State.DONE, NOW, {"create": 3}, 1.0),
        Ended("26506-vung-tau", State.UNCHANGED, NOW, {"same": 9}, 1.0),
        Touched("25747-thu-dau-mot", "create", "donvi:mail:Mailbox", "m", "done", NOW),
        Closed(0, "", NOW),
    )
    rows = {line.split("  ")[0].strip(): line.split()[-3:] for line in text.splitlines() if "  " in line}
    assert rows["Bình Dương"][-2:] == ["1", "4"]
    assert rows["Bà Rịa–Vũng Tàu"][-2:] == ["1", "4"]
    assert rows["total"] == ["1", "1", "14"]
    assert "changed by system: mail 1" in text
    assert "in 7 min 00 s" in text
    assert "3 resources changed" in text


def test_equal_failures_are_told_once_with_their_stacks_and_remedy(city: City) -> None:
    _, text = told(city, failed("25747-thu-dau-mot"), failed("26506-vung-tau"), Closed(5, "2 failed", NOW))
    assert text.count("nobody answers") == 1
    assert "25747-thu-dau-mot, 26506-vung-tau: up of stack STACK failed: mail: nobody answers" in text
    assert "go on: donvi resume 20261124T190000Z-4f2a" in text
    _, alone = told(city, failed("26506-vung-tau"), Closed(5, "1 failed", NOW))
    assert "then `pulumi up -s 26506-vung-tau`" in alone, "one stack is named, not meant"


def test_a_halt_says_which_units_are_not_open_and_why(city: City) -> None:
    shut = (Unhealthy("26506", "mail: no letter arrived"),)
    seen, text = told(city, Judged(1, ("26506",), shut, NOW, "1 not open, 0 allowed"), Closed(6, "halted", NOW))
    assert seen.state == "halted"
    assert "gate after wave 1 halted the run: 1 units asked, 1 not open, 0 allowed" in text
    assert "26506: mail: no letter arrived" in text


def test_a_preview_says_would(city: City) -> None:
    ended = Ended("25747-thu-dau-mot", State.DONE, NOW, {"create": 3}, 1.0)
    _, text = told(city, ended, Closed(0, "", NOW), operation=Operation.PREVIEW)
    assert "would change 1" in text
    assert "3 resources would be changed" in text


@pytest.mark.parametrize(
    ("ended", "line"),
    [
        (Ended("a", State.DONE, NOW, {"create": 2, "same": 1}, 1.25), "a A: done, 2 create in 1.2 s"),
        (Ended("a", State.SKIPPED, NOW, why="unchanged (receipt)"), "a A: skipped (unchanged (receipt))"),
        (Ended("a", State.FAILED, NOW, {}, 2.0, Failure("engine", "it broke")), "a A: failed in 2.0 s: it broke"),
    ],
)
def test_one_line_says_how_a_stack_ended(ended: Ended, line: str) -> None:
    assert ended_line("a", "A", ended) == line


def test_logs_get_a_line_per_stack_and_a_terminal_a_board(city: City) -> None:
    target = choose(city, Selection(units=("26506",)))[0]
    for kind in (Lines, Board):
        out = Console(file=io.StringIO(), width=120, highlight=False, markup=False, emoji=False)
        shown = kind(out)
        shown.phase("wave 1 of 2", 2)
        shown.begun(target)
        shown.step(Step(target.stack, "create", "donvi:mail:Mailbox", "vanthu", "begun"))
        assert isinstance(out.file, io.StringIO)
        if isinstance(shown, Board):
            out.print(shown)
            assert "0/2" in out.file.getvalue()
            assert "create vanthu begun" in out.file.getvalue()
        shown.ended(target, Ended(target.stack, State.DONE, NOW, {"create": 1}, 1.0))
        assert out.file.getvalue().count("26506-vung-tau Phường Vũng Tàu: done, 1 create in 1.0 s") == 1
