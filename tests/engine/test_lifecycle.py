"""One resource through its whole life with the real engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.engine.project import Project


def held(project: Project, name: str) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((project.things / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def test_a_resource_is_created_once_and_then_left_alone(project: Project) -> None:
    project.program('Thing("ao", size=7, tags=["x", "y"], note="Phường Vũng Tàu")')
    project.up()
    assert held(project, "ao")["size"] == 7
    assert held(project, "ao")["note"] == "Phường Vũng Tàu"

    project.run("preview", "--expect-no-changes")
    shown = project.run("up", "--yes")

    assert "Previewing update" in shown
    assert [call.split()[0] for call in project.calls()] == ["begin", "end"]


def test_an_up_with_its_preview_first_creates_in_the_second_half_only(project: Project) -> None:
    project.program('a = Thing("a"); Thing("b", note=a.serial)')
    assert "2 to create" not in project.run("up", "--yes")
    assert [call.split()[1] for call in project.calls() if call.startswith("end")] == ["a", "b"]


def test_a_changed_property_updates_in_place_and_keeps_what_is_stable(project: Project) -> None:
    project.program('Thing("ao", note="one")')
    project.up()
    project.program(
        't = Thing("ao", note="two"); pulumi.export("serial", t.serial); pulumi.export("written", t.written)'
    )

    shown = project.preview()
    assert 'note: "one" => "two"' in shown
    assert "S-ao" in shown, "a stable output stays known in the preview of an update"
    project.up()

    assert held(project, "ao")["note"] == "two"
    assert project.calls()[-1] == "update ao 'one' -> 'two'"


def test_a_property_that_identifies_the_object_replaces_it(project: Project) -> None:
    project.program('Thing("ao", name="old")')
    project.up()
    project.program('Thing("ao", name="new")')

    step = project.steps()["ao"]
    assert step["op"] in {"replace", "create-replacement"}
    assert step["detailedDiff"]["name"]["kind"] == "update-replace"
    project.up()

    assert not (project.things / "old.json").exists()
    assert held(project, "new")["name"] == "new"


def test_added_and_removed_properties_are_told_apart(project: Project) -> None:
    project.program('Thing("ao", labels={"a": "1"})')
    project.up()
    project.program('Thing("ao", tags=["t"])')
    diff = project.steps()["ao"]["detailedDiff"]
    assert {name: entry["kind"] for name, entry in diff.items()} == {"labels": "update", "tags": "update"}
    assert all(entry["inputDiff"] for entry in diff.values())


def test_a_value_equal_to_the_default_is_no_change(project: Project) -> None:
    project.program('Thing("ao")')
    project.up()
    project.program('Thing("ao", size=1, note="", tags=[])')
    project.run("preview", "--expect-no-changes")


def test_destroy_removes_the_object_and_a_second_destroy_is_fine(project: Project) -> None:
    project.program('Thing("ao")')
    project.up()
    project.run("destroy", "--yes", "--skip-preview")
    assert not (project.things / "ao.json").exists()
    project.run("destroy", "--yes", "--skip-preview")


def test_a_certificate_that_is_due_shows_as_a_named_change_without_any_new_input(project: Project) -> None:
    project.program('Thing("ao")')
    project.up()
    project.variables["DONVI_CLOCK"] = "2101-01-01T00:00:00+00:00"
    step = project.steps()["ao"]
    assert step["op"] == "update"
    assert "renewal" in step["detailedDiff"]
    shown = project.preview()
    assert "two thirds of its life passed" in shown


def test_what_depends_on_changed_at_runs_again_after_a_change_and_only_then(project: Project) -> None:
    program = 't = Thing("ao", note="{0}"); Last("last", depends={{"thing": t.changedAt}})'
    runs = lambda: project.calls().count("run last")  # noqa: E731
    project.program(program.format("one"))
    project.up()
    project.up()
    assert runs() == 1
    project.program(program.format("two"))
    assert project.steps()["last"]["op"] == "update", "the preview says that the dependent runs again"
    project.up()
    assert runs() == 2
