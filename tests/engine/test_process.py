"""The provider process: real concurrency, an environment cut down, no orphan, a clean end."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.engine.project import Project


def providers(project: Project) -> list[int]:
    """Pids of toy providers of this project."""
    mark = f"DONVI_TOY={project.things}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (
                b"tests.engine.toy.provider" in (entry / "cmdline").read_bytes()
                and mark in (entry / "environ").read_bytes()
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def most_at_once(project: Project) -> int:
    """How many creates ran at the same time."""
    running = most = 0
    for call in project.calls():
        running += {"begin": 1, "end": -1}.get(call.split()[0], 0)
        most = max(most, running)
    return most


def wait_until(condition: object, seconds: float = 60.0) -> bool:
    """Poll until the condition holds; says whether it did in time, which a busy host may need much of."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_six_slow_creates_run_at_the_same_time(project: Project) -> None:
    project.program("for i in range(6): Thing(f't{i}', seconds=1.0)")
    project.up("--parallel", "16")
    assert most_at_once(project) == 6


def test_a_backend_is_never_asked_for_more_than_its_limit_at_once(project: Project) -> None:
    project.program("for i in range(20): Thing(f't{i:02}', seconds=0.2)")
    project.up("--parallel", "32")
    assert 4 <= most_at_once(project) <= 8


def test_the_provider_sees_only_what_it_needs(project: Project) -> None:
    project.variables.update(AWS_SECRET_ACCESS_KEY="canary", VAULT_TOKEN="hvs.visible")
    project.program('Thing("ao", seconds=3)')
    process = project.start("up", "--yes", "--skip-preview")
    assert wait_until(lambda: any("begin" in call for call in project.calls()))
    shown = (project.things / "environ.txt").read_text(encoding="utf-8")
    process.communicate(timeout=60)
    assert "canary" not in shown
    assert "PULUMI_CONFIG_PASSPHRASE" not in shown
    assert "VAULT_TOKEN" in shown


def test_a_killed_engine_leaves_no_provider_behind(project: Project) -> None:
    project.program('Thing("ao", seconds=2)')
    process = project.start("up", "--yes", "--skip-preview")
    assert wait_until(lambda: any("begin" in call for call in project.calls()))
    assert providers(project)
    os.kill(process.pid, signal.SIGKILL)
    assert wait_until(lambda: not providers(project)), "the provider must notice that its engine died"
    assert (project.things / "ao.json").exists(), "what had begun was finished first"
    process.communicate(timeout=10)


def test_an_interrupted_run_records_what_it_made(project: Project) -> None:
    project.program('a = Thing("a", seconds=2); Thing("b", note=a.serial)')
    process = project.start("up", "--yes", "--skip-preview")
    assert wait_until(lambda: any("begin" in call for call in project.calls()))
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert "a" in project.state()
    assert "b" not in project.state()
    project.up()


def test_a_provider_killed_in_the_middle_fails_that_run_and_the_next_one_finishes(project: Project) -> None:
    project.program('Thing("ao", seconds=2)')
    process = project.start("up", "--yes", "--skip-preview")
    assert wait_until(lambda: any("begin" in call for call in project.calls()))
    for pid in providers(project):
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode != 0
    project.up("--refresh")
    project.run("preview", "--expect-no-changes")
