"""Checkpoints as the engine's file backend keeps them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from donvi.errors import EngineError, UsageError
from donvi.fleet.drift.state import State

if TYPE_CHECKING:
    from pathlib import Path


def test_a_checkpoint_is_whole_while_somebody_writes_it(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi/stacks/donvi"
    folder.mkdir(parents=True)
    resource = {"urn": "urn:pulumi:a::donvi::donvi:toy:Thing::ao", "type": "donvi:toy:Thing", "custom": True}
    text = json.dumps({"version": 3, "checkpoint": {"latest": {"resources": [resource]}}})
    (folder / "a.json").write_text(text)
    (folder / "a.json.bak").write_text("{")
    state = State({"PULUMI_BACKEND_URL": f"file://{tmp_path}"})
    assert state.stacks() == ["a"]
    assert [one.name for one in state.read("a").resources] == ["ao"]


def test_a_secret_in_the_state_is_left_out_and_named(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi/stacks/donvi"
    folder.mkdir(parents=True)
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}
    resource = {"urn": "u::a", "type": "t", "custom": True, "inputs": {"open": 1, "kept": [{"deep": secret}]}}
    text = json.dumps({"version": 3, "checkpoint": {"latest": {"resources": [resource]}}})
    (folder / "a.json").write_text(text)
    (found,) = State({"PULUMI_BACKEND_URL": f"file://{tmp_path}"}).read("a").resources
    assert found.inputs == {"open": 1}
    assert found.hidden == ("kept",)


def test_a_stack_that_is_not_there_and_one_that_is_broken_are_named(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi/stacks/donvi"
    folder.mkdir(parents=True)
    (folder / "broken.json").write_text('{"version": 3, "checkpoint"')
    state = State({"PULUMI_BACKEND_URL": f"file://{tmp_path}"})
    with pytest.raises(UsageError, match="there is no stack 26506-vung-tau"):
        state.read("26506-vung-tau")
    with pytest.raises(EngineError, match="broken"):
        state.read("broken")
