"""``kill -9`` in the middle of a run: the lock it leaves is healed with proof only, and the next run finishes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from donvi.errors import EngineError, LockedError, UsageError
from donvi.fleet import checkpoints, locks, pending
from donvi.fleet.model import Operation
from donvi.fleet.plain import PlainRunner
from tests.engine.test_process import providers, wait_until

if TYPE_CHECKING:
    from tests.engine.project import Project

SLOW = 'Thing("ao", seconds=2); Thing("b")'


def killed(project: Project) -> None:
    """Kill engine and provider while a create runs."""
    project.program(SLOW)
    process = project.start("up", "--yes", "--skip-preview")
    assert wait_until(lambda: any("begin ao" in call for call in project.calls()))
    assert wait_until(lambda: locks.held_locks(project.environ, "toy", "toy"))
    for pid in providers(project):
        os.kill(pid, signal.SIGKILL)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)


def test_a_dead_runs_lock_is_healed_and_the_next_up_finishes_without_a_warning(project: Project) -> None:
    killed(project)
    assert "is currently locked" in project.up(fails=True)

    healed = locks.heal(project.environ, "toy", "toy")
    assert [proof for _, proof in healed] == [f"no process {healed[0][0].lock.pid} exists"]
    assert [urn.rpartition("::")[2] for urn in pending.strike(project.environ, "toy", "toy")] == ["ao"]

    shown = project.up("--refresh")
    assert "interrupted while creating" not in shown
    project.run("preview", "--expect-no-changes")
    assert {"ao", "b"} <= project.state().keys()


def test_a_living_owner_keeps_its_lock(project: Project) -> None:
    project.program(SLOW)
    process = project.start("up", "--yes", "--skip-preview")
    assert wait_until(lambda: locks.held_locks(project.environ, "toy", "toy"))
    with pytest.raises(LockedError, match="that process lives"):
        locks.heal(project.environ, "toy", "toy")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert locks.heal(project.environ, "toy", "toy") == []


def test_a_kill_while_the_state_was_written_is_mended(project: Project) -> None:
    project.program('Thing("ao")')
    project.up()
    states = project.folder / "state/.pulumi/stacks/toy"
    (states / "toy.json.attrs").write_bytes(b"")  # what the engine leaves when killed between two system calls
    draft = states / "toy.json.18eafd548baf3af9.tmp"
    draft.write_bytes(b"{")
    os.utime(draft, (1, 1))
    with pytest.raises(EngineError, match="half-written") as caught:
        PlainRunner(project.environ, repository=project.folder).must(Operation.UP, "toy")
    assert "donvi unlock toy" in caught.value.hint

    mended = checkpoints.mend(locks.backend_folder(project.environ), "toy", "toy")

    assert {path.name for path in mended} == {"toy.json.attrs", draft.name}
    project.run("preview", "--expect-no-changes")
    assert checkpoints.mend(locks.backend_folder(project.environ), "toy", "toy") == []


def lock_file(project: Project, **changes: object) -> None:
    folder = project.folder / "state/.pulumi/locks/organization/toy/toy"
    folder.mkdir(parents=True, exist_ok=True)
    here = locks.this_host()
    content = {
        "pid": os.getpid(),
        "username": "root",
        "hostname": here.name,
        "timestamp": datetime.now(UTC).isoformat(),
    }
    (folder / "one.json").write_text(json.dumps({**content, **changes}), encoding="utf-8")


def test_another_hosts_lock_is_never_touched(project: Project) -> None:
    lock_file(project, hostname="elsewhere", pid=2**22 - 1)
    with pytest.raises(LockedError, match="on another host") as caught:
        locks.heal(project.environ, "toy", "toy")
    assert "on elsewhere" in caught.value.hint
    assert locks.held_locks(project.environ, "toy", "toy")


def test_a_lock_older_than_the_boot_or_than_its_process_is_dead(project: Project) -> None:
    lock_file(project, timestamp="2001-01-01T00:00:00Z")
    assert locks.heal(project.environ, "toy", "toy")[0][1] == "the host was started again since"

    child = subprocess.Popen(["sleep", "30"])
    try:
        begun = locks.this_host().started(child.pid)
        assert begun is not None
        lock_file(project, pid=child.pid, timestamp=(begun - 4 * locks.MARGIN).isoformat())
        assert "another one, younger than the lock" in locks.heal(project.environ, "toy", "toy")[0][1]
        lock_file(project, pid=child.pid, timestamp=begun.isoformat())
        with pytest.raises(LockedError):
            locks.heal(project.environ, "toy", "toy")
    finally:
        child.kill()
        child.wait()


def test_state_that_is_not_in_local_files_cannot_be_proven(project: Project) -> None:
    with pytest.raises(UsageError, match="not in local files"):
        locks.heal({**project.environ, "PULUMI_BACKEND_URL": "s3://bucket"}, "toy", "toy")
