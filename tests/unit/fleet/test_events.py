"""What the engine says, as recorded from runs of the toy project, becomes changes, notices and steps."""

from __future__ import annotations

import json
from pathlib import Path

from donvi.errors import EngineError, LockedError, PolicyError
from donvi.fleet.events import Events
from donvi.fleet.failures import error_of, judge
from donvi.fleet.model import Change, Notice, Operation, PropertyChange, Status, Step

RECORDED = Path(__file__).parent / "events"
THING = "donvi:toy:Thing"


def read(name: str, operation: Operation) -> tuple[Events, list[Step]]:
    events, steps = Events("toy", operation), []
    for line in (RECORDED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        step = events.read(json.loads(line))
        if step is not None:
            steps.append(step)
    return events, steps


def by_name(events: Events) -> dict[str, Change]:
    return {change.name: change for change in events.changes}


def test_a_preview_shows_each_property_with_old_and_new_and_never_a_secret() -> None:
    events, _ = read("preview-update", Operation.PREVIEW)
    found = by_name(events)

    assert events.counts == {"create": 1, "update": 3, "same": 1}
    assert {name: change.op for name, change in found.items()} == {
        "a": "update",
        "b": "update",
        "c": "create",
        "s": "update",
    }
    assert found["a"].properties == (
        PropertyChange("labels", "update", '{"m": "1"}', '{"n": "2"}'),
        PropertyChange("size", "update", "1", "3"),
        PropertyChange("tags", "update", '["x", "y"]', '["x", "z", "w"]'),
    )
    assert found["b"].properties == (PropertyChange("note", "update", '"S-a"', '"[unknown]"'),)
    assert found["s"].properties == (PropertyChange("note", "update", '"[secret]"', '"[secret]"'),)
    assert PropertyChange("name", "add", None, '"cc"') in found["c"].properties


def test_a_refresh_shows_the_drift() -> None:
    events, _ = read("refresh-preview", Operation.REFRESH)
    assert [(change.name, change.op) for change in events.changes] == [("a", "update")]
    assert [one.path for one in events.changes[0].properties] == ["size"]


def test_drift_that_a_refresh_finds_before_an_up_is_a_step_and_no_change() -> None:
    events, steps = read("refresh-preview", Operation.UP)
    assert events.changes == ()
    assert Step("toy", "refresh", THING, "a", "done") in steps


def test_a_replacement_is_one_change_and_a_failure_none() -> None:
    events, steps = read("up-bad", Operation.UP)
    assert [(change.name, change.op) for change in events.changes] == [("c", "replace")]
    assert events.changes[0].properties == (PropertyChange("name", "update-replace", '"cc"', '"dd"'),)
    assert Step("toy", "create", THING, "bad", "failed") in steps
    assert [notice.message for notice in events.notices] == ["nobody answers for bad. start it"]


def test_a_deletion_lists_what_is_lost() -> None:
    found = by_name(read("destroy", Operation.DESTROY)[0])
    assert {change.op for change in found.values()} == {"delete"}
    assert PropertyChange("note", "delete", '"[secret]"', None) in found["s"].properties


def test_a_policys_word_carries_its_name_and_its_weight() -> None:
    events = Events("toy", Operation.PREVIEW)
    for level in ("mandatory", "advisory"):
        said = {"resourceUrn": "urn::a", "message": f"<{{%reset%}}>no\n  {level}", "policyName": "own-unit-only"}
        events.read({"policyEvent": {**said, "enforcementLevel": level}})
    assert events.notices == [
        Notice("error", "no\nmandatory", "urn::a", "own-unit-only"),
        Notice("warning", "no\nadvisory", "urn::a", "own-unit-only"),
    ]
    status, failure = judge(Operation.PREVIEW, "toy", 255, events.notices, [])
    assert status is Status.REFUSED
    assert isinstance(error_of(failure), PolicyError)


def test_a_failure_comes_back_as_the_error_it_was_made_from() -> None:
    status, failure = judge(Operation.UP, "toy", 255, [], ["error: the stack is currently locked by 1 lock(s)"])
    assert status is Status.LOCKED
    assert isinstance(error_of(failure), LockedError)
    status, failure = judge(Operation.UP, "toy", -9, [], [])
    error = error_of(failure)
    assert isinstance(error, EngineError)
    assert status is Status.FAILED
    assert "killed by SIGKILL" in error.message


def test_a_plugin_found_on_the_search_path_is_nothing_to_be_warned_of() -> None:
    events = Events("toy", Operation.PREVIEW)
    for message in (
        "using pulumi-resource-kubernetes from $PATH at /usr/bin/pulumi-resource-kubernetes\n",
        "no room\n",
    ):
        events.read({"diagnosticEvent": {"severity": "warning", "message": message}})
    assert [notice.message for notice in events.notices] == ["no room"]
