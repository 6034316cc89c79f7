"""The plain runner runs the official CLI and says in this project's words what happened."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from donvi.errors import EngineError, LockedError, UsageError
from donvi.fleet.model import Operation, Options, Step
from donvi.fleet.plain import PlainRunner
from tests.engine.test_process import wait_until

if TYPE_CHECKING:
    from tests.engine.project import Project


def runner(project: Project) -> PlainRunner:
    return PlainRunner(project.environ, repository=project.folder)


def test_an_operation_reports_each_step_and_counts_the_changes(project: Project) -> None:
    project.program('Thing("a"); Thing("b")')
    steps: list[Step] = []
    planned = runner(project).run(Operation.PREVIEW, "toy")
    assert planned.counts == {"create": 3}
    done = runner(project).run(Operation.UP, "toy", on_step=steps.append)

    assert done.changed == 3
    assert {(step.name, step.op) for step in steps if step.state == "done"} >= {("a", "create"), ("b", "create")}
    again = runner(project).run(Operation.UP, "toy", Options(refresh=True))
    assert again.changed == 0
    assert runner(project).run(Operation.DESTROY, "toy").changed == 3


def test_a_failure_names_the_resource_and_the_remedy(project: Project) -> None:
    project.program('Thing("ao", fail="before")')
    failed: list[Step] = []
    with pytest.raises(EngineError, match=r"up of stack toy failed: ao: nobody answers for ao\. start it") as caught:
        runner(project).must(Operation.UP, "toy", on_step=failed.append)
    assert "goes on where this run stopped" in caught.value.hint
    assert [step.name for step in failed if step.state == "failed"] == ["ao"]


def test_bad_input_names_the_property(project: Project) -> None:
    project.program('Thing("ao", size=5000)')
    with pytest.raises(EngineError, match=r"ao.*size.*at most 1000; make it smaller"):
        runner(project).must(Operation.PREVIEW, "toy")


def test_a_held_stack_is_an_error_of_its_own(project: Project) -> None:
    project.program('Thing("ao")')
    process = project.start("up", "--yes", "--skip-preview")
    assert wait_until(lambda: list(project.folder.glob("state/.pulumi/locks/**/*.json")))
    os.kill(process.pid, signal.SIGSTOP)  # it holds the stack for as long as the other engine takes
    with pytest.raises(LockedError, match="stack toy is locked") as caught:
        runner(project).must(Operation.UP, "toy")
    assert "donvi unlock toy" in caught.value.hint
    os.kill(process.pid, signal.SIGCONT)
    process.communicate(timeout=120)
    assert process.returncode == 0


def test_a_missing_engine_says_how_to_get_one(project: Project) -> None:
    with pytest.raises(UsageError, match="pulumi is not on PATH"):
        PlainRunner({"PATH": "/nonexistent"}, repository=project.folder).run(Operation.UP, "toy")


def test_a_stack_is_made_only_once(project: Project) -> None:
    assert runner(project).stacks() == {"toy"}
    assert runner(project).ensure("toy") is False
