"""The verbs on stacks as a process, as far as they get without an engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from donvi.cli.fleet.options import failures, seconds
from donvi.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

VERBS = ("preview", "up", "refresh", "destroy", "runs", "resume")


def donvi(*arguments: str, state: Path | None = None) -> subprocess.CompletedProcess[str]:
    unwanted = {"DONVI_CITY", "FORCE_COLOR", "PULUMI_BACKEND_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment |= {"PULUMI_BACKEND_URL": f"file://{state}"} if state else {}
    command = [sys.executable, "-m", "donvi.cli.main", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("verb", VERBS)
def test_help_teaches_by_examples(verb: str) -> None:
    shown = donvi(verb, "--help")
    assert shown.returncode == 0
    assert "Examples" in shown.stdout
    assert f"donvi {verb}" in shown.stdout
    assert "--json" in shown.stdout


@pytest.mark.parametrize("verb", ["preview", "up", "refresh", "destroy"])
def test_no_selection_is_a_usage_error_that_says_how_to_select(verb: str, tmp_path: Path) -> None:
    refused = donvi(verb, state=tmp_path)
    assert refused.returncode == 2
    assert "no stack was selected" in refused.stderr
    assert "--all" in refused.stderr
    assert not (tmp_path / ".donvi").exists(), "a command that was refused leaves nothing"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["up", "thanh an"], "27676"),
        (["up", "--shard", "5/4", "--all"], "is no shard"),
        (["up", "--wave", "9"], "there are: 1, 2, 3"),
        (["up", "26506", "--max-failures", "few"], "--max-failures 3, or any"),
        (["up", "26506", "--bake", "soon"], "90s, 10m or 1h"),
        (["up", "--failed"], "no run of up yet"),
        (["up", "26506", "--approved", "/nonexistent.json"], "can't be read"),
    ],
)
def test_wrong_usage_exits_with_2_and_the_remedy(arguments: list[str], told: str, tmp_path: Path) -> None:
    refused = donvi(*arguments, state=tmp_path)
    assert refused.returncode == 2, refused.stderr
    assert told in refused.stderr


def test_without_a_state_the_error_says_how_to_get_one() -> None:
    refused = donvi("up", "--all")
    assert refused.returncode == 2
    assert "donvi lab env" in refused.stderr


def test_where_nothing_ran_there_is_nothing_to_show_or_resume(tmp_path: Path) -> None:
    assert "no run yet" in donvi("runs", state=tmp_path).stdout
    assert json.loads(donvi("runs", "--json", state=tmp_path).stdout) == []
    assert donvi("runs", "last", state=tmp_path).returncode == 2
    assert "Nothing to do" in donvi("resume", state=tmp_path).stdout


def test_an_error_is_json_too_where_json_was_asked_for(tmp_path: Path) -> None:
    refused = donvi("up", "--json", state=tmp_path)
    assert json.loads(refused.stderr)["code"] == "usage"
    assert refused.stdout == ""


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("90s", 90.0), ("1.5m", 90.0), ("2h", 7200.0), ("30", 30.0)])
def test_a_time_is_seconds_minutes_or_hours(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("12", 12), ("any", None)])
def test_a_failure_budget_is_a_number_or_any(text: str, value: int | None) -> None:
    assert failures(text) == value


@pytest.mark.parametrize("text", ["-1", "1.5", "", "²"])
def test_what_is_no_number_of_failures_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        failures(text)
