"""What counts as drift is what the engine's own refresh would record: the same resources, properties and values."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from donvi.deployment import parse
from donvi.fleet.drift import verdict
from donvi.fleet.drift.state import State
from donvi.fleet.events import Events
from donvi.fleet.model import Change, Operation
from donvi.provider.adapter import Adapter
from donvi.provider.handler import Registry
from donvi.provider.services import Services

if TYPE_CHECKING:
    import pytest

    from tests.engine.project import Project

PROGRAM = """
Thing("ao", note="ours", tags=["a", "b"])
Thing("ba")
Thing("ca", labels={"x": "1"})
t = Thing("da", size=3)
Last("last", depends={"thing": t.changedAt})
"""


def edit(project: Project, name: str, **changes: object) -> None:
    path = project.things / f"{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def refresh(project: Project) -> tuple[Change, ...]:
    """What the engine's refresh would record, from its events."""
    project.variables["PULUMI_ENABLE_STREAMING_JSON_PREVIEW"] = "true"
    events = Events("toy", Operation.REFRESH)
    text = project.run("refresh", "--preview-only", "--json")
    for line in text.splitlines():
        if line.startswith("{"):
            events.read(json.loads(line))
    return events.changes


def judged(project: Project, monkeypatch: pytest.MonkeyPatch) -> tuple[Change, ...]:
    """What this project's own look says, resource by resource."""
    monkeypatch.setenv("DONVI_TOY", str(project.things))
    environ = {**os.environ, **project.environ}
    services = Services(parse((project.folder / "deployment.json").read_text()), environ)
    adapter = Adapter(Registry("tests.engine.toy.subjects"), lambda: services)
    stack = State(project.environ, "toy").read("toy")
    found = (verdict.read(adapter, one)[0] for one in stack.resources if one.read)
    return tuple(sorted((change for change in found if change), key=lambda change: change.urn))


def test_nothing_drifted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.program(PROGRAM)
    project.up()
    assert judged(project, monkeypatch) == refresh(project) == ()


def test_drift_of_every_form_is_told_as_the_engine_tells_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.program(PROGRAM)
    project.up()
    edit(project, "ao", note="theirs", tags=["b", "c"], unit="")
    (project.things / "ba.json").unlink()
    edit(project, "ca", labels={})
    edit(project, "da", serial="S-other")

    found = judged(project, monkeypatch)

    assert {change.name: change.op for change in found} == {"ao": "update", "ba": "delete", "ca": "update"}, (
        "an output that nobody declared is no drift"
    )
    assert found == refresh(project)


def test_what_is_due_or_unfinished_is_told_as_the_engine_tells_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.program('Thing("ao", fail="halfway"); Thing("ba")')
    project.up(fails=True)
    project.variables["DONVI_CLOCK"] = "2101-01-01T00:00:00Z"

    found = judged(project, monkeypatch)

    assert {change.name for change in found} == {"ao", "ba"}
    assert {path for change in found for path in (one.path for one in change.properties)} == {"incomplete", "renewal"}
    assert [(one.urn, one.op) for one in found] == [(one.urn, one.op) for one in refresh(project)]
