"""The project's own stacks keep every mandatory rule; and what city data can spoil is refused by the rule's name."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.project import ROOT
from tests.engine.test_plans import STACKS, Empty
from tests.policies.commands import PACK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.control_plane import ControlPlane

UNIT = "26506-vung-tau"


class Guarded(Empty):
    """An empty backend whose previews run the pack; nothing may stay undecided."""

    def __init__(self, folder: Path, plane: ControlPlane) -> None:
        super().__init__(folder, plane)
        self.environ |= {"PULUMI_OPTION_POLICY_PACK": str(PACK), "DONVI_POLICY_UNDECIDED": "refuse"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, control_plane: ControlPlane) -> Guarded:
    made = Guarded(tmp_path_factory.mktemp("guarded"), control_plane)
    made.pretend_platform()
    for stack in STACKS[1:]:
        made.make(stack)
    return made


@pytest.mark.parametrize("stack", STACKS)
def test_a_fresh_stack_of_the_project_keeps_every_rule_and_leaves_none_undecided(guarded: Guarded, stack: str) -> None:
    told = guarded.pulumi("preview", "--stack", stack)
    assert "✅ donvi@v" in told
    assert "[mandatory]" not in told
    assert stack == "platform" or "kubernetes:apps/v1:Deployment" in told
    assert "[advisory]" not in told, "nothing of the project's own is waived or against advice"


def spoilt(folder: Path, name: str, old: str, new: str) -> dict[str, str]:
    """Return the variable that names a copy of the city with one file changed."""
    city = folder / "city"
    shutil.copytree(ROOT / "city", city)
    text = (city / name).read_text(encoding="utf-8")
    assert old in text
    (city / name).write_text(text.replace(old, new), encoding="utf-8")
    return {"DONVI_CITY": str(city)}


def test_data_that_breaks_a_rule_is_refused_by_its_name_and_nothing_changes(guarded: Guarded, tmp_path: Path) -> None:
    before = state(guarded)
    line = "purpose: gateway, host: gw, usages: [client, server], ttl_hours: 2160"
    longer = spoilt(tmp_path, "systems/network.yaml", line, line.replace("2160", "17520"))
    told = guarded.pulumi("preview", "--stack", UNIT, fails=True, **longer)
    assert "[mandatory]  certificate-lifetime  (donvi:pki:Certificate: gateway)" in told
    assert "ttlHours: expected hours, at most 4800" in told
    assert "remedy: " in told
    assert state(guarded) == before


def state(guarded: Guarded) -> Any:
    return json.loads(guarded.pulumi("stack", "export", "--stack", UNIT))["deployment"]
