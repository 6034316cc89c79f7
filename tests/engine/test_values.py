"""What the engine sends oddly arrives as a handler expects it; one test per known quirk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.engine.project import Project


def test_an_unknown_value_never_reaches_a_handler(project: Project) -> None:
    project.program('a = Thing("a"); b = Thing("b", note=a.serial, tags=["x", a.serial], labels={"k": a.serial})')
    shown = project.preview()
    assert "04da6b54" not in shown
    assert project.calls() == []
    project.up()
    assert "04da6b54" not in (project.things / "b.json").read_text(encoding="utf-8")
    assert json.loads((project.things / "b.json").read_text(encoding="utf-8"))["tags"] == ["x", "S-a"]


def test_the_handlers_check_waits_until_every_value_is_known(project: Project) -> None:
    project.program('a = Thing("a"); Last("last", depends={"a": a.changedAt})')
    project.preview()
    assert project.calls() == []
    project.up()
    assert "check last ['a']" in project.calls()


def test_an_unknown_new_value_of_an_existing_resource_shows_as_an_update(project: Project) -> None:
    project.program('a = Thing("a"); b = Thing("b", note="plain")')
    project.up()
    project.program('a = Thing("a", note="x"); b = Thing("b", note=a.written)')
    steps = project.steps()
    assert steps["b"]["op"] == "update"
    assert set(steps["b"]["detailedDiff"]) == {"note"}
    project.up()


def test_integers_stay_integers_although_the_engine_sends_doubles(project: Project) -> None:
    project.program('t = Thing("ao", size=1000, seconds=0.25); pulumi.export("size", t.id)')
    project.up()
    assert '"size": 1000,' in (project.things / "ao.json").read_text(encoding="utf-8")
    project.run("preview", "--expect-no-changes")


def test_a_secret_input_is_plain_for_the_handler_and_secret_in_state(project: Project) -> None:
    project.program('Thing("ao", note=Output.secret("xin chao canary"))')
    shown = project.up()
    assert "canary" not in shown
    assert "xin chao canary" in (project.things / "ao.json").read_text(encoding="utf-8")
    stored = "".join(path.read_text(encoding="utf-8") for path in (project.folder / "state").rglob("*.json"))
    assert "canary" not in stored

    project.run("refresh", "--yes", "--skip-preview")
    stored = "".join(path.read_text(encoding="utf-8") for path in (project.folder / "state").rglob("*.json"))
    assert "canary" not in stored, "a refresh keeps the mark"


def test_null_and_absent_are_the_same(project: Project) -> None:
    project.program('Thing("ao", note=Output.from_input(None))')
    project.up()
    project.program('Thing("ao")')
    project.run("preview", "--expect-no-changes")


def test_a_provider_whose_deployment_changes_is_updated_and_replaces_nothing(project: Project) -> None:
    text = (project.folder / "deployment.json").read_text(encoding="utf-8")
    program = """
class City(pulumi.ProviderResource):
    def __init__(self, name, deployment): super().__init__("donvi", name, {{"deployment": deployment}})
Thing("ao", opts=ResourceOptions(provider=City("city", {0!r})))
"""
    project.program(program.format(text))
    project.up()
    project.program(program.format(text.replace("127.0.0.1", "127.0.0.2")))
    assert {name: step["op"] for name, step in project.steps().items()} == {"city": "update"}
    project.up()
    project.program(program.format("{}"))
    assert "not a description of a deployment" in project.preview(fails=True)
