"""A run's journal: written while it happens, read after anything."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from donvi.errors import DataError, LockedError, UsageError
from donvi.fleet import journal, owners
from donvi.fleet.model import Failure, Operation
from donvi.fleet.places import Places, places
from donvi.fleet.progress import RunState, failed_stacks, picture
from donvi.fleet.records import Begun, Closed, Ended, Head, Judged, Resumed, Settings, State, Touched, WaveBegun
from donvi.fleet.select import Selection, Target

REPOSITORY = Path(__file__).parents[3]
NOW = datetime(2026, 11, 24, 19, 0, tzinfo=UTC)
STACKS = ("platform", "25747-thu-dau-mot", "26506-vung-tau", "26740-sai-gon", "27676-thanh-an-1")


def head(owner: owners.Owner | None = None, **changes: object) -> Head:
    made = Head(
        id="20261124T190000Z-0a0b",
        operation=Operation.UP,
        begun=NOW,
        owner=owner or owners.myself("20261124T190000Z-0a0b"),
        arguments=("up", "--all"),
        revision="abc",
        selection=Selection(everything=True),
        settings=Settings(waves=(STACKS[:2], STACKS[2:])),
        targets=tuple(Target(stack, stack.partition("-")[0]) for stack in STACKS),
    )
    return msgspec.structs.replace(made, **changes)


def dead() -> owners.Owner:
    return msgspec.structs.replace(owners.myself("dead"), pid=2**22 - 1)


def shown(where: Path) -> dict[str, State]:
    story = journal.read(where)
    return {one.stack: one.state for one in picture(story, owners.myself("reader")).stacks}


def test_every_state_of_a_stack_is_told(tmp_path: Path) -> None:
    log = journal.begin(Places(tmp_path), head())
    log.write(WaveBegun(1, NOW))
    for stack in STACKS[:3]:
        log.write(Begun(stack, NOW))
    log.write(Touched("platform", "create", "donvi:vault:Policy", "p", "done", NOW), keep=False)
    log.write(Ended("platform", State.DONE, NOW, {"create": 3}, 1.5))
    log.write(Ended(STACKS[1], State.FAILED, NOW, failure=Failure("engine", "it broke", "repair it")))
    log.write(Ended(STACKS[3], State.SKIPPED, NOW, why="its receipt is valid"))

    assert shown(log.folder) == {
        "platform": State.DONE,
        STACKS[1]: State.FAILED,
        STACKS[2]: State.RUNNING,
        STACKS[3]: State.SKIPPED,
        STACKS[4]: State.UNSTARTED,
    }
    seen = picture(journal.read(log.folder), owners.myself("reader"))
    assert seen.state is RunState.RUNNING
    assert [stack.stack for stack in seen.unfinished] == [STACKS[1], STACKS[2], STACKS[4]]
    assert seen.stacks[1].failure == Failure("engine", "it broke", "repair it")
    assert [stack.wave for stack in seen.stacks] == [1, 1, 2, 2, 2]
    assert failed_stacks(seen) == {STACKS[1]}


def test_what_was_touched_is_counted_by_system_each_resource_once(tmp_path: Path) -> None:
    log = journal.begin(Places(tmp_path), head())
    for op, kind, name, state in (
        ("create", "donvi:directory:Account", "a", "done"),
        ("create", "donvi:directory:Account", "b", "failed"),
        ("create-replacement", "kubernetes:core/v1:Namespace", "n", "done"),
        ("delete-replaced", "kubernetes:core/v1:Namespace", "n", "done"),
        ("create", "donvi:component:Accounts", "accounts", "done"),
        ("create", "pulumi:pulumi:Stack", "s", "done"),
    ):
        log.write(Touched("platform", op, kind, name, state, NOW), keep=False)
    assert picture(journal.read(log.folder), owners.myself("r")).systems == {"directory": 1, "kubernetes": 1}


def test_what_a_dead_driver_had_begun_is_interrupted(tmp_path: Path) -> None:
    log = journal.begin(Places(tmp_path), head(dead()))
    log.write(Begun("platform", NOW))
    log.close()
    seen = picture(journal.read(log.folder), owners.myself("reader"))
    assert seen.state is RunState.INTERRUPTED
    assert seen.stacks[0].state is State.INTERRUPTED
    assert "no process" in seen.why
    assert failed_stacks(seen) == {"platform"}


def test_another_hosts_run_is_neither_dead_nor_alive(tmp_path: Path) -> None:
    log = journal.begin(Places(tmp_path), head(msgspec.structs.replace(dead(), host="elsewhere")))
    assert picture(journal.read(log.folder), owners.myself("reader")).state is RunState.ELSEWHERE


def test_a_run_that_is_resumed_belongs_to_its_new_driver_and_is_open_again(tmp_path: Path) -> None:
    log = journal.begin(Places(tmp_path), head(dead()))
    log.write(Closed(5, "2 failed", NOW))
    assert journal.read(log.folder).closed is not None
    log.write(Resumed(owners.myself("again"), NOW))
    story = journal.read(log.folder)
    assert story.closed is None
    assert story.owner.run == "again"
    log.write(Closed(0, "", NOW))
    assert picture(journal.read(log.folder), owners.myself("reader")).state is RunState.DONE


def test_the_last_word_of_a_gate_counts(tmp_path: Path) -> None:
    log = journal.begin(Places(tmp_path), head())
    log.write(Judged(1, ("25747",), (), NOW, passed=False))
    log.write(Judged(1, ("25747",), (), NOW, passed=True))
    assert [gate.passed for gate in picture(journal.read(log.folder), owners.myself("r")).gates] == [True]


def test_a_torn_last_line_is_ignored_and_cut_off_by_whoever_goes_on(tmp_path: Path) -> None:
    log = journal.begin(Places(tmp_path), head())
    log.write(Begun("platform", NOW))
    log.close()
    lines = log.folder / journal.LINES
    whole = lines.read_bytes()
    for torn in (b'{"is":"ended","st', b"\0\0\0", whole[:-1]):
        lines.write_bytes(whole + torn)
        assert shown(log.folder)["platform"] is State.RUNNING
    again = journal.Journal(log.folder)
    assert lines.read_bytes() == whole
    again.write(Ended("platform", State.DONE, NOW))
    assert shown(log.folder)["platform"] is State.DONE


def test_damage_before_the_last_line_is_an_error_with_file_and_row(tmp_path: Path) -> None:
    log = journal.begin(Places(tmp_path), head())
    log.write(Begun("platform", NOW))
    lines = log.folder / journal.LINES
    lines.write_bytes(b"garbage\n" + lines.read_bytes())
    with pytest.raises(DataError, match=r"journal\.jsonl:1"):
        journal.read(log.folder)


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from donvi.fleet import journal
from donvi.fleet.records import Begun
log = journal.Journal(Path(sys.argv[1]))
number = 0
while True:
    log.write(Begun(f"stack{number}", datetime.now(UTC)), keep=number % 10 == 0)
    print(number, flush=True)
    number += 1
"""


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    log = journal.begin(Places(tmp_path), head())
    command = [sys.executable, "-c", WRITER, str(log.folder)]
    refused = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert "is being driven" in refused.stderr
    with pytest.raises(LockedError):
        journal.Journal(log.folder)


def test_what_a_killed_writer_had_acknowledged_is_there(tmp_path: Path) -> None:
    log = journal.begin(Places(tmp_path), head(dead()))
    log.close()
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(log.folder)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 200:
                process.send_signal(signal.SIGKILL)
                break
        said = [*map(int, process.stdout.read().split()[:-1]), 200]
    written = {record.stack for record in journal.read(log.folder).records if isinstance(record, Begun)}
    assert {f"stack{number}" for number in said} <= written
    assert len(written) >= 201


def test_runs_are_found_by_a_part_of_their_id(tmp_path: Path) -> None:
    where = Places(tmp_path)
    for name in ("20261124T190000Z-0a0b", "20261124T200000Z-0c0d"):
        journal.begin(where, head(id=name)).close()
    assert journal.run_ids(where) == ["20261124T200000Z-0c0d", "20261124T190000Z-0a0b"]
    assert journal.find_run(where, "last") == "20261124T200000Z-0c0d"
    assert journal.find_run(where, "0a0b") == "20261124T190000Z-0a0b"
    with pytest.raises(UsageError, match="matches 2 runs"):
        journal.find_run(where, "20261124")
    with pytest.raises(UsageError, match="no run"):
        journal.find_run(where, "ffff")


def test_ids_sort_by_time_and_are_files_names() -> None:
    ids = [journal.new_id(NOW), journal.new_id(NOW.replace(hour=20))]
    assert ids == sorted(ids)
    assert all(name.replace("-", "").isalnum() and len(name) == 21 for name in ids)


# where it lies


def test_the_drivers_folder_lies_beside_the_state(tmp_path: Path) -> None:
    assert places({"PULUMI_BACKEND_URL": f"file://{tmp_path}/state"}).runs == tmp_path / "state/.donvi/runs"


def test_another_backends_password_is_in_no_path() -> None:
    url = "postgres://donvi:hunter2@db.tphcm.test/state"
    where = places({"PULUMI_BACKEND_URL": url, "XDG_STATE_HOME": "/var/state"})
    assert where.root.parent == Path("/var/state/donvi")
    assert "hunter2" not in str(where.root)
    assert where == places({"PULUMI_BACKEND_URL": url, "HOME": "/h", "XDG_STATE_HOME": "/var/state"})
    assert where != places({"PULUMI_BACKEND_URL": f"{url}2", "XDG_STATE_HOME": "/var/state"})


def test_without_a_state_there_is_no_place() -> None:
    with pytest.raises(UsageError, match="PULUMI_BACKEND_URL is not set"):
        places({})
