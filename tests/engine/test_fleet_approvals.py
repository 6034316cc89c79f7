"""What was seen is what is done: approvals and receipts on the real engine."""

from __future__ import annotations

import json
from pathlib import Path

from donvi.fleet.model import Operation, Options
from donvi.fleet.plain import PlainRunner
from donvi.fleet.receipts import Receipts
from donvi.registry import load_city
from tests.engine.driving import CODES, UNITS, Fleet

ROOT = Path(__file__).parents[2]


def test_only_what_was_approved_is_applied_and_a_stack_that_changed_since_stops(fleet: Fleet, tmp_path: Path) -> None:
    seen = str(tmp_path / "seen.json")
    fleet.plan(sai_gon={"b": {}})
    fleet.donvi("preview", *CODES, "--save", seen)
    assert "not approved" in fleet.donvi("approve", seen).stdout
    refused = fleet.run("up", *CODES, "--approved", seen, "--max-failures", "any", "--no-waves", code=5)
    assert set(refused.values()) == {"failed"}
    assert fleet.things() == set(), "nothing was approved yet"

    fleet.donvi("approve", seen, "--all")
    fleet.plan(vung_tau={"a": {}, "late": {}}, sai_gon={"b": {}})
    states = fleet.run("up", *CODES, "--approved", seen, "--max-failures", "any", "--no-waves", code=5)
    assert states == {UNITS[0]: "done", UNITS[1]: "failed", UNITS[2]: "done"}
    assert fleet.things() == {f"{UNITS[0]}.a", f"{UNITS[2]}.b"}
    failure = fleet.shown()["stacks"][1]["failure"]
    assert failure["code"] == "unapproved"
    assert "isn't the approved one any more" in failure["message"]

    again = fleet.run("up", CODES[0], "--approved", seen)
    assert again == {UNITS[0]: "unchanged"}, "what is done already objects to nothing"


def test_one_of_two_classes_is_approved_by_the_beginning_of_its_digest(fleet: Fleet, tmp_path: Path) -> None:
    seen = str(tmp_path / "seen.json")
    fleet.plan(vung_tau={"b": {}})
    fleet.donvi("preview", *CODES, "--save", seen)
    classes = json.loads(Path(seen).read_text(encoding="utf-8"))["classes"]
    two = next(one for one in classes if len(one["stacks"]) == 2)
    fleet.donvi("approve", seen, two["digest"][:8])
    states = fleet.run("up", *CODES, "--approved", seen, "--max-failures", "any", "--no-waves", code=5)
    assert states == {UNITS[0]: "done", UNITS[1]: "failed", UNITS[2]: "done"}


def test_a_receipt_outlives_runs_that_change_nothing_and_no_other(fleet: Fleet) -> None:
    environ = fleet.project.environ
    runner = PlainRunner(environ, repository=fleet.project.folder)
    stack = UNITS[1]

    def run(operation: Operation) -> str:
        """As the driver does: ask, run if it must, record; as another process each time."""
        receipts = Receipts(load_city(ROOT / "city"), fleet.project.folder, {**environ, "DONVI_CACHE": environ["HOME"]})
        proof = receipts.proof(stack)
        if not proof:
            result = runner.must(operation, stack, Options(policy=False))
            receipts.record(stack, result)
        return proof

    fleet.plan()
    runner.must(Operation.UP, "platform", Options(policy=False))
    assert run(Operation.UP) == ""
    assert run(Operation.UP) == "", "an up that changed something leaves none"
    assert run(Operation.UP).startswith("unchanged (receipt of "), "an up that changed nothing does"

    for changed_nothing in (stack, "platform"):
        runner.must(Operation.UP, changed_nothing, Options(policy=False))
        assert run(Operation.PREVIEW) != "", f"{changed_nothing} was written again, with the same contents"

    fleet.plan(vung_tau={"a": {}, "more": {}})
    runner.must(Operation.UP, stack, Options(policy=False))
    assert run(Operation.PREVIEW) == "", "somebody's up changed the stack"
    assert run(Operation.PREVIEW) != ""

    fleet.plan(vung_tau={"a": {}, "more": {}}, platform={"a": {}, "more": {}})
    runner.must(Operation.UP, "platform", Options(policy=False))
    assert run(Operation.PREVIEW) == "", "what all units share has changed"
