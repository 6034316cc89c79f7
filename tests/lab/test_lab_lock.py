"""One lab per host: who holds it, who is refused, who may take over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from donvi.errors import LabError, LockedError, UsageError
from lab import control, lock, record
from lab.display import PlainDisplay
from lab.record import Record
from lab.settings import LabSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from lab.lock import hold
from lab.settings import LabSettings
with hold(LabSettings(home=Path(sys.argv[1]), cache=Path("/nowhere"), repository=Path(sys.argv[2])), "make up"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_clone_runs(settings: LabSettings, clone: str = "/srv/another-clone") -> Iterator[subprocess.Popen[str]]:
    """A run of another clone that holds the lab until the block ends."""
    argv, pipe = [sys.executable, "-c", HOLD, str(settings.home), clone], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, cwd=settings.repository) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_run_is_refused_and_told_who_holds_the_lab(paper_lab: LabSettings) -> None:
    with another_clone_runs(paper_lab) as process, pytest.raises(LockedError) as refused, lock.hold(paper_lab, "up"):
        pytest.fail("two runs hold one lab")
    assert refused.value.exit_code == 7
    for word in ("/srv/another-clone", "make up", str(process.pid)):
        assert word in str(refused.value)


def test_a_killed_holder_holds_nothing(paper_lab: LabSettings) -> None:
    with another_clone_runs(paper_lab) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lock.holder(paper_lab) is None
        with lock.hold(paper_lab, "lab up"):
            pass


def test_programs_of_the_holder_may_use_the_lab(paper_lab: LabSettings, environment_of: dict[str, str]) -> None:
    status = [sys.executable, "-m", "donvi.cli.main", "lab", "down"]
    with lock.hold(paper_lab, "make test"):
        inside = {**environment_of, lock.TOKEN: os.environ[lock.TOKEN]}
        assert subprocess.run(status, env=inside, cwd=paper_lab.repository, check=False).returncode == 0
        outside = {name: value for name, value in environment_of.items() if name != lock.TOKEN}
        refused = subprocess.run(
            status, env=outside, cwd=paper_lab.repository, check=False, capture_output=True, text=True
        )
    assert refused.returncode == 7
    assert "is held by" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_token_of_an_earlier_run_opens_nothing(paper_lab: LabSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    with lock.hold(paper_lab, "make test"):
        old = os.environ[lock.TOKEN]
    with another_clone_runs(paper_lab):
        monkeypatch.setenv(lock.TOKEN, old)
        with pytest.raises(LockedError), lock.hold(paper_lab, "lab up"):
            pass


def test_the_lock_passes_through_the_exit_status_of_the_program_it_ran(paper_lab: LabSettings) -> None:
    assert lock.run_held(paper_lab, ["sh", "-c", "exit 3"]) == 3
    assert lock.run_held(paper_lab, ["sh", "-c", "kill -TERM $$"]) == 128 + signal.SIGTERM
    assert lock.holder(paper_lab) is None


def test_an_idle_lab_of_another_clone_is_taken_over_with_its_id_and_numbers(paper_lab: LabSettings) -> None:
    record.save(paper_lab, Record(id="1234", owner="/srv/another-clone", image="x", numbers={"gw-26506": 16}))
    with lock.hold(paper_lab, "lab up"):
        found = record.open_or_begin(paper_lab, "x")
    assert (found.id, found.numbers) == ("1234", {"gw-26506": 16})


@pytest.mark.parametrize("folder", record.PAIRED)
def test_disks_and_state_of_different_labs_are_refused(paper_lab: LabSettings, folder: str) -> None:
    record.save(paper_lab, Record(id="1234", owner="/srv/clone", image="x"))
    (paper_lab.home / folder / "lab-id").write_text("5678\n")
    with pytest.raises(LabError, match="5678") as refused:
        record.open_or_begin(paper_lab, "x")
    assert "lab-reset" in refused.value.hint


def test_state_without_a_lab_is_refused(paper_lab: LabSettings) -> None:
    record.save(paper_lab, Record(id="1234", owner="/srv/clone", image="x"))
    (paper_lab.home / "lab.json").unlink()
    with pytest.raises(LabError, match="a lab that is gone"):
        record.open_or_begin(paper_lab, "x")


def test_a_damaged_record_is_an_error_with_a_remedy(paper_lab: LabSettings) -> None:
    paper_lab.home.mkdir()
    (paper_lab.home / "lab.json").write_text('{"id": 5')
    with pytest.raises(LabError, match="damaged"):
        record.load(paper_lab)


def test_looking_for_the_holder_of_a_lab_that_never_was_leaves_no_folder(
    tmp_path: Path, paper_lab: LabSettings
) -> None:
    nowhere = replace(paper_lab, home=tmp_path / "nowhere")
    assert lock.holder(nowhere) is None
    assert not nowhere.home.exists()


def test_the_note_in_the_lock_proves_which_process_wrote_it(paper_lab: LabSettings) -> None:
    with lock.hold(paper_lab, "make up"):
        note = json.loads((paper_lab.home / "lock").read_text())
    assert note["pid"] == os.getpid()
    assert note["start"]
    assert note["boot"]


def test_a_folder_with_other_things_in_it_is_never_taken_for_a_lab(paper_lab: LabSettings) -> None:
    work = paper_lab.home / "README.md"
    work.parent.mkdir(parents=True)
    work.write_text("months of work")
    with pytest.raises(LabError, match=r"is no lab's folder: it holds README\.md"):
        control.reset(paper_lab, PlainDisplay())
    assert [entry.name for entry in paper_lab.home.iterdir()] == ["README.md"]


def test_an_empty_home_is_the_default_and_a_relative_one_is_refused() -> None:
    assert LabSettings.from_environment({"DONVI_LAB_HOME": ""}).home.is_absolute()
    with pytest.raises(UsageError, match="DONVI_LAB_HOME=here"):
        LabSettings.from_environment({"DONVI_LAB_HOME": "here"})
