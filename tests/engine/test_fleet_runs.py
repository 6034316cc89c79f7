"""Many stacks by one command: order, what is left alone, what a preview says, what a failure stops."""

from __future__ import annotations

import json
import os

from tests.engine.driving import CODES, PATIENCE, PLATFORM, UNITS, Fleet

FAILS = {"a": {"fail": "before"}}


def test_platform_goes_first_then_all_units_and_again_nothing_changes(fleet: Fleet) -> None:
    fleet.plan()
    first = fleet.donvi("up", *CODES, "platform", "--no-waves")
    assert fleet.begun()[0] == f"{PLATFORM}.a"
    assert sorted(fleet.begun()) == sorted(f"{stack}.a" for stack in (PLATFORM, *UNITS))
    assert "Bà Rịa–Vũng Tàu" in first.stdout, "the summary is by former locality"
    assert "changed 4" in first.stdout
    lines = [line for line in first.stderr.splitlines() if "26506-vung-tau" in line]
    assert len(lines) == 1, "one line per finished stack where nobody looks"
    assert "\x1b" not in first.stdout + first.stderr
    assert fleet.leases() == []

    assert set(fleet.run("up", *CODES, "platform").values()) == {"unchanged"}
    assert [run["state"] for run in json.loads(fleet.donvi("runs", "--json").stdout)] == ["done", "done"]


def test_a_failure_ends_the_run_and_resume_does_only_what_is_not_done(fleet: Fleet) -> None:
    fleet.plan(vung_tau=FAILS)
    states = fleet.run("up", *CODES, "--parallel", "1", code=5)
    assert list(states.values()) == ["done", "failed", "unstarted"]
    shown = fleet.shown()
    assert "nobody answers for 26506-vung-tau.a" in shown["stacks"][1]["failure"]["message"]
    assert "--max-failures" in shown["why"]

    (fleet.project.things / "allow").touch()
    before = len(fleet.begun())
    resumed = fleet.run("resume")
    assert list(resumed.values()) == ["done", "done", "done"]
    assert sorted(fleet.begun()[before:]) == ["26506-vung-tau.a", "26740-sai-gon.a"]
    assert fleet.shown()["id"] == shown["id"], "the same run goes on"
    assert "Nothing to do" in fleet.donvi("resume").stdout


def test_within_the_failure_budget_the_others_go_on_and_failed_means_those(fleet: Fleet) -> None:
    fleet.plan(thu_dau_mot=FAILS)
    assert list(fleet.run("up", *CODES, "--max-failures", "1", code=5).values()) == ["failed", "done", "done"]
    (fleet.project.things / "allow").touch()
    assert fleet.run("up", "--failed") == {UNITS[0]: "done"}
    assert "Nothing to do" in fleet.donvi("up", "--failed").stdout


def test_units_wait_for_a_platform_that_failed(fleet: Fleet) -> None:
    fleet.plan(platform=FAILS)
    states = fleet.run("up", "platform", *CODES, "--max-failures", "any", code=5)
    assert states[PLATFORM] == "failed"
    assert {states[unit] for unit in UNITS} == {"unstarted"}


def test_a_preview_says_the_same_change_once_and_changes_nothing(fleet: Fleet) -> None:
    fleet.plan()
    shown = fleet.donvi("preview", *CODES, "--detailed-exitcode", code=3)
    assert "3 change" in shown.stdout
    assert fleet.things() == set()
    report = json.loads(fleet.donvi("preview", CODES[0], CODES[2], "--json").stdout)["report"]
    assert [one["stacks"] for one in report["classes"]["classes"]] == [[UNITS[0], UNITS[2]]], "two units, one class"
    assert "<!-- donvi preview -->" in fleet.donvi("preview", CODES[0], "--markdown").stdout

    fleet.donvi("up", *CODES)
    fleet.donvi("preview", *CODES, "--detailed-exitcode", code=0)


def test_a_stack_that_could_not_be_previewed_is_in_the_comment(fleet: Fleet) -> None:
    fleet.plan()
    missing = "25750-phu-loi"  # its stack was never made, and there is no Vault that could wrap its secrets
    shown = fleet.donvi("preview", missing, "--markdown", code=5)
    assert "1 failed" in shown.stdout
    assert "could not create secrets manager" in shown.stdout


def test_destroying_needs_the_number_and_the_state_is_left_alone_without_it(fleet: Fleet) -> None:
    fleet.plan()
    fleet.donvi("up", *CODES)
    refused = fleet.donvi("destroy", *CODES, code=2)
    assert "--confirm 6" in refused.stderr, "a stack and a thing each"
    fleet.donvi("destroy", *CODES, "--confirm", "5", code=2)
    assert len(fleet.things()) == 3
    assert set(fleet.run("destroy", *CODES, "--confirm", "6").values()) == {"done"}
    assert fleet.things() == set()


def test_on_a_terminal_the_number_is_typed(fleet: Fleet) -> None:
    fleet.plan()
    fleet.donvi("up", CODES[0])
    for typed, code in ((b"3\n", 2), (b"2\n", 0)):
        terminal, end = os.openpty()
        os.write(terminal, typed)
        driver = fleet.start("destroy", CODES[0], stdin=end)
        _, told = driver.communicate(timeout=PATIENCE)
        assert driver.returncode == code, told
        assert "2 resources would be deleted: 25747-thu-dau-mot 2" in told
        os.close(terminal)
        os.close(end)
    assert fleet.things() == set()


def test_more_deletions_than_allowed_must_be_confirmed_before_anything_changes(fleet: Fleet) -> None:
    fleet.plan(vung_tau={"a": {}, "b": {}, "c": {}}, sai_gon={"a": {}, "b": {}})
    fleet.donvi("up", *CODES, "--max-deletes", "0")
    fleet.plan(thu_dau_mot={"a": {}, "new": {}})
    refused = fleet.donvi("up", *CODES, "--max-deletes", "2", code=2)
    assert "26506-vung-tau 2, 26740-sai-gon 1" in refused.stderr
    assert "25747-thu-dau-mot.new" not in fleet.things(), "nothing was changed anywhere"
    fleet.donvi("up", *CODES, "--max-deletes", "2", "--confirm", "3")
    assert fleet.things() == {"25747-thu-dau-mot.a", "25747-thu-dau-mot.new", "26506-vung-tau.a", "26740-sai-gon.a"}


def test_the_journal_tells_every_step_and_no_secret(fleet: Fleet) -> None:
    fleet.plan()
    fleet.donvi("up", CODES[0])
    folder = next((fleet.project.folder / "state/.donvi/runs").iterdir())
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert [line["is"] for line in lines if line["is"] != "step"] == ["begun", "ended", "closed"]
    assert {line["name"] for line in lines if line["is"] == "step"} >= {"25747-thu-dau-mot.a"}
    written = (folder / "run.json").read_text() + (folder / "journal.jsonl").read_text()
    assert "toy-passphrase" not in written
