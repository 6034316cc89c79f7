"""What goes wrong half-way is recorded and finished by the next run; errors read as a person needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.engine.project import Project


def test_a_create_that_fails_half_way_is_recorded_and_finished_by_the_next_run(project: Project) -> None:
    project.program('Thing("ao", fail="halfway", note="n"); Thing("b")')
    shown = project.up(fails=True)
    assert "its second half failed" in shown
    assert "run `pulumi up` again" in shown
    recorded = project.state()["ao"]
    assert recorded["id"] == "ao"
    assert recorded["inputs"]["note"] == "n"
    assert recorded["outputs"]["serial"] == "S-ao"

    assert project.steps()["ao"]["op"] == "update", "the next preview proposes to finish it"
    project.run("refresh", "--yes", "--skip-preview")
    shown = project.preview()
    assert "- incomplete: " in shown
    assert "its second half failed" in shown
    assert project.steps()["ao"]["op"] == "update", "even after a refresh, which clears the engine's own note"
    (project.things / "allow").touch()
    project.up()
    project.run("preview", "--expect-no-changes")
    assert project.state()["ao"]["outputs"]["serial"] == "S-ao"
    assert "incomplete" not in project.state()["ao"]["outputs"]


def test_a_create_that_fails_before_anything_exists_records_nothing(project: Project) -> None:
    project.program('Thing("ao", fail="before")')
    assert "nobody answers for ao. start it" in project.up(fails=True)
    assert "ao" not in project.state()
    (project.things / "allow").touch()
    project.up()


def test_another_owners_object_is_refused_and_an_own_one_adopted(project: Project) -> None:
    project.program('Thing("ao")')
    project.up()
    project.run("state", "delete", _urn(project, "ao"), "--yes")
    project.up()
    assert "ao" in project.state(), "our own object was adopted"

    project.program('Thing("ao"); Thing("theft", name="ao")')
    shown = project.up(fails=True)
    assert "thing ao belongs to 26506" in shown
    assert "pulumi import" in shown


def test_a_defect_of_ours_says_so_and_shows_no_secret(project: Project) -> None:
    project.program('Thing("ao", name="a/b/c", note="x")')
    shown = project.up(fails=True)
    assert "a defect in donvi: FileNotFoundError" in shown


def _urn(project: Project, name: str) -> str:
    urn: str = project.state()[name]["urn"]
    return urn
