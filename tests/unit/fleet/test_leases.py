"""One driver per stack: leases between real processes, one of which is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from donvi.errors import LockedError, UsageError
from donvi.fleet import owners
from donvi.fleet.leases import Leases, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).parents[3]
DRIVER = """
import sys
from pathlib import Path
from donvi.fleet import owners
from donvi.fleet.leases import Leases
from donvi.errors import LockedError
folder, run, *stacks = sys.argv[1:]
try:
    Leases(Path(folder), owners.myself(run)).take(stacks)
except LockedError as error:
    print("refused", error.message, flush=True)
else:
    print("taken", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start another driver; it says whether it got the leases and keeps them while it lives."""
    started: list[subprocess.Popen[str]] = []

    def begin(run: str, *stacks: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(tmp_path), run, *stacks],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def mine(folder: Path, run: str = "mine") -> Leases:
    return Leases(folder, owners.myself(run))


def test_a_second_driver_is_refused_whole_with_owner_host_and_since_when(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    other = start("20261124T190000Z-aaaa", "26506-vung-tau", "26740-sai-gon")
    assert said(other) == "taken"
    second = mine(tmp_path)
    with pytest.raises(LockedError) as caught:
        second.take(["25747-thu-dau-mot", "26506-vung-tau"])
    assert caught.value.exit_code == 7
    held = standing(tmp_path, second.owner)["26506-vung-tau"].owner
    for part in (
        held.user,
        held.host,
        f"pid {other.pid}",
        "run 20261124T190000Z-aaaa",
        "since 20",
        "that process lives",
    ):
        assert part in caught.value.message
    assert "26740" not in caught.value.message, "only what was asked for is named"
    assert "25747-thu-dau-mot" not in standing(tmp_path, second.owner), "nothing of the refused run stays"


def test_runs_of_different_stacks_do_not_meet(tmp_path: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    assert said(start("one", "26506-vung-tau")) == "taken"
    assert mine(tmp_path).take(["26740-sai-gon"]) == ()


def test_the_lease_of_a_killed_driver_is_taken_over_with_the_proof(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    other = start("dead", "26506-vung-tau")
    assert said(other) == "taken"
    other.send_signal(signal.SIGKILL)
    other.wait()
    taken = mine(tmp_path).take(["26506-vung-tau"])
    assert [(held.stack, held.proof) for held in taken] == [("26506-vung-tau", f"no process {other.pid} exists")]
    assert not list(tmp_path.glob(".owner-dead*")), "nothing of the dead run stays"


def test_of_many_drivers_that_find_a_dead_owner_one_takes_over(start: Callable[..., subprocess.Popen[str]]) -> None:
    dead = start("dead", "26506-vung-tau")
    assert said(dead) == "taken"
    dead.kill()
    dead.wait()
    several = [start(f"run{number}", "26506-vung-tau") for number in range(6)]
    answers = [said(process).split()[0] for process in several]
    assert sorted(answers) == ["refused"] * 5 + ["taken"]


def test_leases_are_given_up_one_by_one_and_at_the_end(tmp_path: Path) -> None:
    first, second = mine(tmp_path, "first"), mine(tmp_path, "second")
    first.take(["a", "b"])
    first.release(["a"])
    second.take(["a"])
    with pytest.raises(LockedError, match="stack b is held"):
        second.take(["b"])
    first.close()
    second.take(["b"])
    second.close()
    assert [path.name for path in tmp_path.iterdir()] == [".guard"]


def test_a_lease_that_is_no_longer_ones_own_is_left_alone(tmp_path: Path) -> None:
    first = mine(tmp_path, "first")
    first.take(["a"])
    (tmp_path / "a.json").unlink()
    second = mine(tmp_path, "second")
    second.take(["a"])
    first.release(["a"])
    assert standing(tmp_path, first.owner)["a"].owner.run == "second"


def test_a_damaged_lease_is_shown_not_removed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UsageError, match="is no lease"):
        mine(tmp_path).take(["a"])
    assert (tmp_path / "a.json").exists()


# proof of death


def other(**changes: object) -> owners.Owner:
    return msgspec.structs.replace(owners.myself("other"), **changes)


def test_only_what_cannot_be_otherwise_is_proof_of_death() -> None:
    here = owners.myself("here")
    assert owners.proof_of_death(other(), here) is None, "I live"
    assert owners.proof_of_death(other(pid=2**22 - 1), here) == f"no process {2**22 - 1} exists"
    assert "another one" in (owners.proof_of_death(other(started=here.started - 1), here) or "")
    assert owners.proof_of_death(other(boot="another"), here) == "the host was started again since"


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"machine": "cloned-host"}, {"space": "pid:[1]"}])
def test_another_hosts_or_containers_owner_is_never_proven_dead(tmp_path: Path, changes: dict[str, str]) -> None:
    there = other(pid=2**22 - 1, **changes)
    Leases(tmp_path, there).take(["a"])
    with pytest.raises(LockedError):
        mine(tmp_path).take(["a"])
    there_and_rebooted = msgspec.structs.replace(there, boot="another")
    if "host" in changes or "machine" in changes:
        assert owners.proof_of_death(there_and_rebooted, owners.myself("x")) is None


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        owner = other(pid=child.pid, started=owners.ticks(child.pid))
        assert owners.proof_of_death(owner, owners.myself("x")) is None
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert owners.proof_of_death(owner, owners.myself("x")) == f"no process {child.pid} exists"
    finally:
        child.kill()
        child.wait()


def test_the_same_process_is_known_whatever_run_it_drives() -> None:
    assert other().is_process_of(other(run="else", since=datetime.now(UTC) + timedelta(hours=1)))
    assert not other().is_process_of(other(pid=1))
