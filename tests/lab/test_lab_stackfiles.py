"""Stack files of another lab don't stand in the way of this one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lab.stackfiles import forget_foreign_keys

if TYPE_CHECKING:
    from pathlib import Path

    from lab.settings import LabSettings


@pytest.fixture
def clone(paper_lab: LabSettings, tmp_path: Path) -> LabSettings:
    """A clone whose lab holds one stack, with the key ``ours``."""
    settings = replace(paper_lab, repository=tmp_path / "clone")
    (settings.repository / "stacks/config").mkdir(parents=True)
    stacks = settings.home / "pulumi/.pulumi/stacks/donvi"
    stacks.mkdir(parents=True)
    state = {"checkpoint": {"latest": {"secrets_providers": {"state": {"encryptedkey": "ours"}}}}}
    (stacks / "platform.json").write_text(json.dumps(state))
    return settings


def write(clone: LabSettings, stack: str, text: str) -> Path:
    file = clone.repository / f"stacks/config/Pulumi.{stack}.yaml"
    file.write_text(f"secretsprovider: hashivault://{stack}\n{text}")
    return file


def test_a_key_that_an_earlier_lab_wrapped_is_forgotten(clone: LabSettings) -> None:
    of_a_stack_that_is_gone = write(clone, "26506-vung-tau", "encryptedkey: theirs\n")
    of_a_stack_made_anew = write(clone, "platform", "encryptedkey: theirs\n")
    assert forget_foreign_keys(clone) == ["26506-vung-tau", "platform"]
    assert not of_a_stack_that_is_gone.exists()
    assert not of_a_stack_made_anew.exists()


def test_the_labs_own_key_stays(clone: LabSettings) -> None:
    file = write(clone, "platform", "encryptedkey: ours\n")
    before = file.read_text()
    assert forget_foreign_keys(clone) == []
    assert file.read_text() == before


def test_what_somebody_configured_stays(clone: LabSettings) -> None:
    file = write(clone, "platform", "encryptedkey: theirs\nconfig:\n  donvi:note: phường\n")
    assert forget_foreign_keys(clone) == ["platform"]
    assert file.read_text() == "config:\n  donvi:note: phường\n"
