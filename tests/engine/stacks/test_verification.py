"""``up`` is green only when the unit is open; one that isn't is asked again by the next run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.lab import Lab

UNIT = "26506-vung-tau"
NAME = "Verification/verification"


def test_a_unit_that_cannot_be_judged_fails_the_run_and_is_asked_again(lab: Lab, tmp_path: Path) -> None:
    nobody = tmp_path / "known_hosts"
    nobody.touch()
    before = lab.resources(UNIT)[NAME]
    arguments = ("up", "--stack", UNIT, "--yes", "--skip-preview")

    told = lab.pulumi(*arguments, "--replace", before["urn"], fails=True, DONVI_KNOWN_HOSTS=str(nobody))

    assert "unit 26506 (Phường Vũng Tàu) isn't open" in told
    assert "donvi verify 26506" in told
    closed = lab.resources(UNIT)[NAME]
    assert closed["outputs"]["verdict"] == "inconclusive"
    assert lab.changed(UNIT) == {NAME: "update"}, "the next run asks again"

    lab.pulumi(*arguments, "--refresh")

    opened = lab.resources(UNIT)[NAME]["outputs"]
    assert opened["verdict"] == "passed"
    assert opened["finishedAt"] > before["outputs"]["finishedAt"]
    lab.pulumi("preview", "--stack", UNIT, "--expect-no-changes")
