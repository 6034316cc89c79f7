"""What dies in the middle of a run, and who else is there: driver, engine, provider, a second driver, a person."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from donvi.fleet import locks
from tests.engine.driving import CODES, PATIENCE, UNITS, Fleet
from tests.engine.test_process import providers, wait_until

if TYPE_CHECKING:
    import subprocess

SLOW = {"a": {}, "slow": {"seconds": 3}}
FOREVER = {"a": {}, "slow": {"seconds": 600}}
HELD = f"{UNITS[1]}.slow"


def under_way(fleet: Fleet, *arguments: str) -> subprocess.Popen[str]:
    """Start an ``up`` of all units and return when the second is in the middle of a create, the first done."""
    process = fleet.start("up", *CODES, "--parallel", "1", "--no-waves", *arguments)
    assert wait_until(lambda: HELD in fleet.begun() or process.poll() is not None, PATIENCE)
    assert process.poll() is None, process.communicate()
    return process


def engines(fleet: Fleet) -> list[int]:
    """Pids of the engines that work on this project."""
    mark = f"PULUMI_HOME={fleet.project.folder}".encode()
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _is(entry, b"pulumi", mark)]


def _is(process: Path, program: bytes, mark: bytes) -> bool:
    try:
        name = (process / "cmdline").read_bytes().split(b"\0")[0].rpartition(b"/")[2]
        return name == program and mark in (process / "environ").read_bytes()
    except OSError:
        return False


def assert_whole(fleet: Fleet) -> None:
    """Every unit is up, a second ``up`` changes nothing, nothing is held, no thing exists that no state knows."""
    assert set(fleet.run("up", *CODES).values()) == {"unchanged"}
    assert fleet.things() == {*(f"{unit}.a" for unit in UNITS), HELD}
    assert fleet.leases() == []
    for unit in UNITS:
        assert locks.held_locks(fleet.project.environ, "toy", unit) == []


def test_a_driver_killed_in_the_middle_leaves_a_run_that_resume_finishes(fleet: Fleet) -> None:
    fleet.plan(vung_tau=SLOW)
    driver = under_way(fleet)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    seen = fleet.shown()
    assert [stack["state"] for stack in seen["stacks"]] == ["done", "interrupted", "unstarted"]
    assert seen["state"] == "interrupted"
    assert fleet.leases() == sorted(UNITS[1:]), "what was done was given up, the rest is held by a dead process"

    before = fleet.begun()
    assert set(fleet.run("resume").values()) <= {"done", "unchanged"}
    assert f"{UNITS[0]}.a" not in fleet.begun()[len(before) :], "what is done stays done"
    assert_whole(fleet)


def test_driver_engine_and_provider_killed_at_once_are_healed_by_resume(fleet: Fleet) -> None:
    fleet.plan(vung_tau=FOREVER)
    driver = under_way(fleet)
    doomed = [driver.pid, *engines(fleet), *providers(fleet.project)]
    assert len(doomed) >= 3
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    driver.communicate()
    assert locks.held_locks(fleet.project.environ, "toy", UNITS[1]), "the engine's own lock stays behind"

    fleet.plan(vung_tau=SLOW)
    fleet.donvi("resume")
    healed = fleet.shown()["stacks"][1]
    assert healed["state"] == "done"
    assert "removed: no process" in healed["why"]
    assert "1 creates were under way" in healed["why"]
    assert_whole(fleet)


def test_a_new_run_takes_over_from_a_dead_one_as_resume_does(fleet: Fleet) -> None:
    fleet.plan(vung_tau=FOREVER)
    driver = under_way(fleet)
    for pid in (driver.pid, *engines(fleet), *providers(fleet.project)):
        os.kill(pid, signal.SIGKILL)
    driver.communicate()
    fleet.plan(vung_tau=SLOW)
    assert fleet.run("up", CODES[1]) == {UNITS[1]: "done"}
    assert "removed: no process" in fleet.shown()["stacks"][0]["why"]
    fleet.donvi("up", *CODES)
    assert fleet.shown()["stacks"][2]["why"] == "", "what the dead run hadn't begun needs no healing"
    assert_whole(fleet)


@pytest.mark.parametrize("victim", ["engine", "provider"])
def test_an_engine_or_provider_killed_under_the_driver_fails_its_stack_only(fleet: Fleet, victim: str) -> None:
    fleet.plan(vung_tau=FOREVER)
    driver = under_way(fleet, "--max-failures", "1")
    doomed = engines(fleet) if victim == "engine" else providers(fleet.project)
    assert doomed
    fleet.plan(vung_tau=SLOW)
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    if victim == "engine":
        for pid in providers(fleet.project):
            os.kill(pid, signal.SIGKILL)
    _, told = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 5, told
    assert [stack["state"] for stack in fleet.shown()["stacks"]] == ["done", "failed", "done"]
    assert set(fleet.run("resume").values()) == {"done"}
    assert_whole(fleet)


def test_a_second_driver_is_refused_with_owner_host_and_since_when(fleet: Fleet) -> None:
    fleet.plan(vung_tau=FOREVER)
    driver = under_way(fleet)
    seen = fleet.shown()
    refused = fleet.donvi("up", CODES[2], code=7)
    owner = seen["owner"]
    for part in (owner["user"], owner["host"], f"pid {driver.pid}", seen["id"], "since 20", "nothing was run"):
        assert part in refused.stderr
    fleet.donvi("resume", code=7)
    assert len(list((fleet.project.folder / "state/.donvi/runs").iterdir())) == 1, "a refused command is no run"
    fleet.donvi("up", CODES[0])
    assert driver.poll() is None, "what it is done with is free, and it goes on"


def test_a_persons_own_up_is_never_disturbed(fleet: Fleet) -> None:
    fleet.plan(vung_tau=FOREVER)
    engine = fleet.by_hand(UNITS[1], "up", "--yes", "--skip-preview")
    assert wait_until(lambda: HELD in fleet.begun(), PATIENCE)
    shown = fleet.donvi("up", CODES[0], CODES[1], "--max-failures", "any", code=7)
    assert f"pid {engine.pid}" in shown.stdout
    assert [stack["state"] for stack in fleet.shown()["stacks"]] == ["done", "failed"]
    assert engine.poll() is None


def test_ctrl_c_lets_engines_finish_what_they_are_at(fleet: Fleet) -> None:
    fleet.plan(vung_tau=SLOW)
    driver = under_way(fleet)
    driver.send_signal(signal.SIGINT)
    _, told = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 130
    assert "engines finish what they are at" in told
    assert HELD in fleet.things(), "the create that ran was finished"
    assert locks.held_locks(fleet.project.environ, "toy", UNITS[1]) == []
    assert fleet.leases() == []
    assert [stack["state"] for stack in fleet.shown()["stacks"]] == ["done", "interrupted", "unstarted"]
    fleet.donvi("resume")
    assert_whole(fleet)


def test_a_second_ctrl_c_leaves_at_once_and_resume_heals(fleet: Fleet) -> None:
    fleet.plan(vung_tau=FOREVER)
    driver = under_way(fleet)
    driver.send_signal(signal.SIGINT)
    assert driver.stderr is not None
    assert any("interrupted" in line for line in iter(driver.stderr.readline, ""))
    driver.send_signal(signal.SIGINT)
    _, told = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 130
    assert "donvi resume" in told
    for pid in (*engines(fleet), *providers(fleet.project)):
        os.kill(pid, signal.SIGKILL)
    fleet.plan(vung_tau=SLOW)
    fleet.donvi("resume")
    assert_whole(fleet)


def test_a_journal_torn_by_the_kill_is_read_and_continued(fleet: Fleet) -> None:
    fleet.plan(vung_tau={"a": {"fail": "before"}})
    fleet.donvi("up", *CODES, "--parallel", "1", code=5)
    journal = next((fleet.project.folder / "state/.donvi/runs").glob("*/journal.jsonl"))
    with journal.open("ab") as file:
        file.write(b'{"is":"ended","stack":"26740-sai-')
    assert fleet.shown()["stacks"][2]["state"] == "unstarted"
    (fleet.project.things / "allow").touch()
    assert set(fleet.run("resume").values()) == {"done"}
