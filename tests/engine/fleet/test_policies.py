"""One policy pack judges many stacks, each by its own resources, and says what it says by hand."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from donvi.fleet.engine import FastRunner
from donvi.fleet.engine_process import POLICY_PACK
from donvi.fleet.model import Operation, Options, Status
from donvi.fleet.plain import PlainRunner
from tests.engine.fleet.conftest import Pair
from tests.engine.project import ROOT
from tests.policies.test_pack import TOY

if TYPE_CHECKING:
    from pathlib import Path

THEIRS = 'members=["uid=a,ou=people,ou=25747,ou=units,dc=tphcm,dc=test"]'
BODY = f'stack = pulumi.get_stack()\ngroup("a", **(dict({THEIRS}) if stack == "other" else {{}}))\n'


@pytest.fixture
def judged(tmp_path: Path, pair_template: Path) -> Pair:
    """A project whose stack ``other`` breaks a rule; previews of it need no server."""
    shutil.copytree(pair_template, tmp_path, dirs_exist_ok=True)
    made = Pair(tmp_path, plugin=ROOT / "donvi/provider/plugin")
    made.variables[POLICY_PACK] = str(ROOT / "policies/pulumi-analyzer-donvi")
    (tmp_path / "__main__.py").write_text(TOY.format(root=ROOT) + BODY, encoding="utf-8")
    return made


def test_one_pack_refuses_the_stack_that_breaks_a_rule_and_no_other(judged: Pair) -> None:
    with FastRunner(judged.environ, repository=judged.folder) as runner, ThreadPoolExecutor() as pool:
        toy, other = pool.map(lambda stack: runner.run(Operation.PREVIEW, stack), ("toy", "other"))
        assert "policy pack" in runner.pids
        ignored = runner.run(Operation.PREVIEW, "other", Options(policy=False))
    by_hand = PlainRunner(judged.environ, repository=judged.folder).run(Operation.PREVIEW, "other")

    assert (toy.status, other.status, ignored.status) == (Status.DONE, Status.REFUSED, Status.DONE)
    assert other.failure == by_hand.failure
    assert {notice for notice in other.notices if notice.policy} == {one for one in by_hand.notices if one.policy}
    assert other.changes == by_hand.changes
