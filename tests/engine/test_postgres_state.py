"""State and leases in a real Postgres: by hand and by the driver, side by side, and over a driver's death."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from donvi.fleet.model import Operation, Status
from donvi.fleet.plain import PlainRunner
from donvi.fleet.postgres import Database
from donvi.fleet.postgres.locks import held_locks
from donvi.registry import load_city
from donvi.tenancy import names
from tests.engine.driving import CODES, LATER_CODES, STACKS, UNITS, Fleet, make_stacks
from tests.engine.project import Project
from tests.engine.test_fleet_deaths import FOREVER, HELD, SLOW, engines, under_way
from tests.engine.test_process import providers
from tests.support.postgres_server import Postgres, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["postgres"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> tuple[Path, str]:
    """A project and the database with its empty stacks; copying both takes no time."""
    folder, database = tmp_path_factory.mktemp("postgres"), postgres.database()
    make_stacks(Project(folder, backend=postgres.url(database)), STACKS)
    return folder, database


@pytest.fixture
def fleet(tmp_path: Path, postgres: Postgres, template: tuple[Path, str]) -> Iterator[Fleet]:
    """A toy city whose state is in a database of its own."""
    folder, database = template
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    copy = postgres.database(database)
    with psycopg.connect(postgres.url(copy)) as connection:  # the engine's keys begin with the database's name
        connection.execute("UPDATE pulumi_state SET key = replace(key, %s, %s)", (database, copy))
    made = Fleet(Project(tmp_path, backend=postgres.url(copy)))
    yield made
    made.end()


def rows(fleet: Fleet, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(Database.of(fleet.project.environ).address) as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]


def leased(fleet: Fleet) -> list[str]:
    return [stack for (stack,) in rows(fleet, "SELECT stack FROM donvi_leases ORDER BY stack")]


def by_hand(fleet: Fleet, stack: str, *arguments: str) -> str:
    out, err = fleet.by_hand(stack, *arguments).communicate(timeout=180)
    assert "error" not in err, err
    return out + err


def kill(fleet: Fleet, driver: subprocess.Popen[str]) -> None:
    """Kill a driver with its engines and providers."""
    for pid in (driver.pid, *engines(fleet), *providers(fleet.project)):
        os.kill(pid, signal.SIGKILL)
    driver.communicate()


def test_a_stack_lives_in_postgres_by_hand(fleet: Fleet) -> None:
    fleet.plan()
    stack = UNITS[0]
    assert "+ 2 to create" in by_hand(fleet, stack, "preview"), "the stack and its thing"
    by_hand(fleet, stack, "up", "--yes", "--skip-preview")
    assert fleet.things() == {f"{stack}.a"}
    by_hand(fleet, stack, "preview", "--expect-no-changes")
    by_hand(fleet, stack, "destroy", "--yes", "--skip-preview")
    assert fleet.things() == set()
    assert not (fleet.project.folder / "state/.pulumi").exists(), "nothing of it lies in files"


def test_the_runner_drives_two_stacks_at_once(fleet: Fleet) -> None:
    fleet.plan(thu_dau_mot={"a": {"seconds": 1}}, vung_tau={"a": {"seconds": 1}})
    runner = PlainRunner(fleet.project.environ, repository=fleet.project.folder)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda stack: runner.run(Operation.UP, stack), UNITS[:2]))
    assert [result.status for result in results] == [Status.DONE, Status.DONE]
    assert fleet.things() == {f"{UNITS[0]}.a", f"{UNITS[1]}.a"}
    for stack in UNITS[:2]:
        again = runner.run(Operation.PREVIEW, stack)
        assert (again.status, again.changed) == (Status.DONE, 0)
        assert held_locks(Database.of(fleet.project.environ), "toy", stack) == []


def test_the_fleet_runs_on_postgres_and_again_without_change(fleet: Fleet) -> None:
    fleet.plan()
    codes = (*CODES, *LATER_CODES)
    assert set(fleet.run("up", *codes, "--no-waves").values()) == {"done"}
    assert set(fleet.run("up", *codes, "--no-waves").values()) == {"unchanged"}
    assert leased(fleet) == []


def test_a_second_driver_with_a_home_of_its_own_is_refused_with_the_owners_name(fleet: Fleet) -> None:
    """As on another machine: the two share the database and nothing else."""
    fleet.plan(vung_tau=FOREVER)
    first = under_way(fleet)
    assert UNITS[1] in leased(fleet)
    fleet.project.variables["XDG_STATE_HOME"] = str(fleet.project.folder / "elsewhere")
    refused = fleet.donvi("up", CODES[1], code=7)
    assert f"stack {UNITS[1]} is held by" in refused.stderr
    assert f"(pid {first.pid}, run " in refused.stderr
    kill(fleet, first)


def test_a_driver_killed_with_its_engine_is_followed_and_its_engines_lock_healed(fleet: Fleet) -> None:
    fleet.plan(vung_tau=FOREVER)
    driver = under_way(fleet)
    kill(fleet, driver)
    assert held_locks(Database.of(fleet.project.environ), "toy", UNITS[1]), "the engine's own lock stays behind"

    fleet.plan(vung_tau=SLOW)
    fleet.donvi("resume")
    healed = fleet.shown()["stacks"][1]
    assert healed["state"] == "done"
    assert "removed: no process" in healed["why"]
    assert set(fleet.run("up", *CODES).values()) == {"unchanged"}
    assert fleet.things() == {*(f"{unit}.a" for unit in UNITS), HELD}
    assert leased(fleet) == []


def test_no_stack_has_a_name_that_the_engines_prefix_search_would_misread() -> None:
    city = load_city()
    stacks = [names.stack(numbers) for numbers in city.allotments.values()]
    assert not [stack for stack in stacks if set("_%") & set(stack)]


def test_the_password_is_in_no_process_argument_and_no_journal(fleet: Fleet, postgres: Postgres) -> None:
    fleet.plan(vung_tau=SLOW)
    driver = under_way(fleet)
    shown = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    driver.communicate(timeout=120)
    assert postgres.password not in shown
    home = fleet.project.folder / ".local"
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files, "the journal lies in the home of the state"
    assert not [path for path in files if postgres.password.encode() in path.read_bytes()]
