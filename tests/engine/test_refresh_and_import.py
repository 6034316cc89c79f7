"""Drift is seen and repaired; objects made elsewhere are taken over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.engine.project import Project

PROGRAM = 't = Thing("ao", note="ours"); Last("last", depends={"thing": t.changedAt})'


def edit(project: Project, name: str, **changes: object) -> None:
    path = project.things / f"{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def test_a_hand_edited_object_is_seen_repaired_and_verified_again(project: Project) -> None:
    project.program(PROGRAM)
    project.up()
    edit(project, "ao", note="theirs")

    seen = project.run("refresh", "--preview-only", "--diff")
    assert '"ours" => "theirs"' in seen
    project.up("--refresh")

    assert json.loads((project.things / "ao.json").read_text(encoding="utf-8"))["note"] == "ours"
    assert project.calls().count("run last") == 2, "what depends on it ran again"
    project.run("preview", "--expect-no-changes")
    project.up("--refresh")
    assert project.calls().count("run last") == 2, "a refresh that finds nothing repeats nothing"


def test_a_deleted_object_is_seen_made_again_and_verified_again(project: Project) -> None:
    project.program(PROGRAM)
    project.up()
    (project.things / "ao.json").unlink()

    assert "delete" in project.run("refresh", "--preview-only", "--diff")
    project.up("--refresh")

    assert (project.things / "ao.json").exists()
    assert project.calls().count("run last") == 2


def test_an_imported_object_shows_no_change(project: Project) -> None:
    program = 'Thing("ao", note="kept", size=3)'
    project.program(program)
    project.up()
    project.run("state", "delete", project.state()["ao"]["urn"], "--yes")

    project.run(
        "import", "--yes", "--skip-preview", "--generate-code=false", "--protect=false", "donvi:toy:Thing", "ao", "ao"
    )

    assert project.state()["ao"]["inputs"]["note"] == "kept"
    project.run("preview", "--expect-no-changes")


def test_importing_what_does_not_exist_says_so(project: Project) -> None:
    project.program("")
    project.up()
    shown = project.run(
        "import", "--yes", "--skip-preview", "--generate-code=false", "donvi:toy:Thing", "ao", "ao", fails=True
    )
    assert "does not exist" in shown


def test_an_object_imported_by_the_program_is_taken_over_without_a_change(project: Project) -> None:
    project.program('Thing("ao", note="kept")')
    project.up()
    project.run("state", "delete", project.state()["ao"]["urn"], "--yes")
    project.program('Thing("ao", note="kept", opts=ResourceOptions(import_="ao"))')
    project.up()
    project.program('Thing("ao", note="kept")')
    project.run("preview", "--expect-no-changes")
