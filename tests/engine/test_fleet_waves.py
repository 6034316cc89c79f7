"""Waves and gates on the real engine: probes decide, a halt is kept, resume asks again."""

from __future__ import annotations

import signal

from tests.engine.driving import CODES, LATER, LATER_CODES, PATIENCE, UNITS, Fleet
from tests.engine.test_process import wait_until

TWO_WAVES = (*CODES[:2], *LATER_CODES)
"""Two pilots, then two others."""


def asked(fleet: Fleet) -> list[str]:
    path = fleet.project.folder / "asked"
    return sorted(path.read_text().split()) if path.exists() else []


def shut(fleet: Fleet, *codes: str) -> None:
    (fleet.project.folder / "closed").write_text(" ".join(codes))


def test_a_unit_that_is_not_open_halts_the_run_and_resume_asks_again(fleet: Fleet) -> None:
    fleet.plan()
    shut(fleet, CODES[1])
    halted = fleet.donvi("up", *TWO_WAVES, "--bake", "0", code=6)
    assert "gate after wave 1 halted the run" in halted.stdout
    assert f"{CODES[1]}: nobody answers" in halted.stdout
    assert "donvi resume" in halted.stdout
    assert fleet.things() == {f"{unit}.a" for unit in UNITS[:2]}, "nothing of the next wave began"
    assert fleet.shown()["state"] == "halted"

    fleet.donvi("resume", code=6)
    shut(fleet)
    assert set(fleet.run("resume").values()) == {"done"}
    assert fleet.things() == {f"{unit}.a" for unit in (*UNITS[:2], *LATER)}
    assert asked(fleet) == sorted([*CODES[:2]] * 3), "the pilots three times; nothing lies behind the last wave"
    assert [gate["passed"] for gate in fleet.shown()["gates"]] == [True]


def test_the_failure_budget_holds_at_the_gate_and_gates_can_be_left_out(fleet: Fleet) -> None:
    fleet.plan()
    shut(fleet, CODES[1])
    assert set(fleet.run("up", *TWO_WAVES, "--bake", "0", "--max-failures", "1").values()) == {"done"}
    assert asked(fleet) == sorted(CODES[:2])
    fleet.plan(thu_dau_mot={"b": {}})
    fleet.donvi("up", *TWO_WAVES, "--no-gates")
    fleet.donvi("up", *TWO_WAVES, "--bake", "1h")
    assert asked(fleet) == sorted(CODES[:2]), "where nothing changed nothing bakes and nobody is asked"


def test_a_driver_killed_while_a_wave_bakes_is_resumed_at_the_gate(fleet: Fleet) -> None:
    fleet.plan()
    driver = fleet.start("up", *TWO_WAVES, "--bake", "1h")
    assert driver.stderr is not None
    assert wait_until(lambda: fleet.things() == {f"{unit}.a" for unit in UNITS[:2]}, PATIENCE)
    assert any("bakes" in line for line in iter(driver.stderr.readline, ""))
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    seen = fleet.shown()
    assert (seen["state"], seen["at_wave"], seen["waves"]) == ("interrupted", 1, 2)

    begun = fleet.begun()
    assert set(fleet.run("resume", "--bake", "0").values()) == {"done"}
    assert asked(fleet) == sorted(CODES[:2]), "the gate is asked before the next wave"
    assert sorted(fleet.begun()[len(begun) :]) == [f"{unit}.a" for unit in LATER]


def test_a_stack_that_failed_is_not_open_at_the_gate(fleet: Fleet) -> None:
    fleet.plan(vung_tau={"a": {"fail": "before"}})
    halted = fleet.donvi("up", *TWO_WAVES, "--bake", "0", "--max-failures", "1", "--parallel", "1", code=5)
    assert f"{CODES[1]}: its stack failed" in halted.stdout
    assert asked(fleet) == [CODES[0]]
    assert fleet.things() == {f"{unit}.a" for unit in (UNITS[0], *LATER)}
