"""A real Postgres decides who may run a stack: owners are named, and only the dead are followed."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from donvi.errors import LockedError, UnreachableError, UsageError
from donvi.fleet import owners
from donvi.fleet.postgres import Database, PostgresLeases
from tests.support.postgres_server import Postgres, postgres, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["postgres"]

SOON = 20.0
QUICK = {"beat": 0.05, "expires": 0.6, "yields": 0.3}
HOLDER = """
import os, sys, time
from donvi.fleet import owners
from donvi.fleet.postgres import Database, PostgresLeases
leases = PostgresLeases(Database.of(os.environ), owners.myself("dead-run"))
leases.take(["platform", "26506-vung-tau"])
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def database(postgres: Postgres) -> Database:
    return Database.of({"PULUMI_BACKEND_URL": postgres.url(postgres.database())})


@pytest.fixture
def driver(database: Database) -> Iterator[Callable[..., PostgresLeases]]:
    """Drivers of runs by name; one of another machine has ``host``."""
    made: list[PostgresLeases] = []

    def make(run: str, host: str = "", **options: Any) -> PostgresLeases:
        owner = owners.myself(run)
        if host:
            owner = msgspec.structs.replace(owner, host=host, machine=host)
        made.append(PostgresLeases(database, owner, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def wait_for(what: Callable[[], object], message: str) -> None:
    end = time.monotonic() + SOON
    while not what():
        assert time.monotonic() < end, message
        time.sleep(0.02)


def test_a_second_driver_is_refused_and_told_who_has_it(driver: Callable[..., PostgresLeases]) -> None:
    driver("run-a").take(["platform", "26506-vung-tau"])
    with pytest.raises(LockedError, match=r"26506-vung-tau is held by .*run run-a, since"):
        driver("run-b").take(["26506-vung-tau", "26740-sai-gon"])


def test_all_or_none_are_taken(driver: Callable[..., PostgresLeases]) -> None:
    driver("run-a").take(["b"])
    with pytest.raises(LockedError):
        driver("run-b").take(["a", "b", "c"])
    assert driver("run-c").take(["a", "c"]) == ()


def test_what_is_given_up_is_free(driver: Callable[..., PostgresLeases]) -> None:
    first = driver("run-a")
    first.take(["a", "b"])
    first.release(["a"])
    assert driver("run-b").take(["a"]) == ()
    first.close()
    assert driver("run-c").take(["b"]) == ()


def test_of_many_that_want_the_same_one_gets_it(driver: Callable[..., PostgresLeases]) -> None:
    drivers = [driver(f"run-{number}") for number in range(8)]
    outcomes: list[str] = []

    def want(one: PostgresLeases) -> None:
        try:
            one.take(["a", "b", "c"])
            outcomes.append("taken")
        except LockedError:
            outcomes.append("refused")

    threads = [threading.Thread(target=want, args=[one]) for one in drivers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 7 + ["taken"]


def test_a_killed_driver_of_this_host_is_followed_at_once(
    driver: Callable[..., PostgresLeases], database: Database
) -> None:
    environ = {"PULUMI_BACKEND_URL": database.address}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        with pytest.raises(LockedError, match="and that process lives"):
            driver("run-b").take(["platform"])
        holder.kill()
        holder.wait()
    successor = driver("run-c")

    def taken() -> tuple[Any, ...]:
        try:
            return successor.take(["platform", "26506-vung-tau"])
        except LockedError:
            return ()  # the server hasn't noticed yet

    wait_for(taken, "a dead driver's leases stay")


def test_a_living_session_is_not_followed_however_old_its_heartbeat(driver: Callable[..., PostgresLeases]) -> None:
    driver("run-a", host="elsewhere", beat=3600).take(["a"])
    second = driver("run-b", expires=0.0)
    with pytest.raises(LockedError, match="on another host"):
        second.take(["a"])


def test_a_session_that_is_gone_is_not_followed_before_its_heartbeat_expires(
    driver: Callable[..., PostgresLeases],
) -> None:
    first = driver("run-a", host="elsewhere", beat=3600)
    first.take(["a"])
    first._connection.close()
    with pytest.raises(LockedError, match="on another host"):
        driver("run-b", expires=3600).take(["a"])
    (held,) = driver("run-c", expires=0.0).take(["a"])
    assert held.owner.run == "run-a"
    assert "no heartbeat for 0 s, and its session is gone" in held.proof


def test_an_owner_whose_lease_was_taken_over_learns_it(driver: Callable[..., PostgresLeases]) -> None:
    lost = threading.Event()
    first = driver("run-a", host="elsewhere", on_lost=lost.set, beat=0.5)
    first.take(["a"])
    first._connection.close()
    driver("run-b", expires=0.0).take(["a"])
    assert lost.wait(SOON)


def test_a_broken_session_is_opened_again_and_the_lease_kept(
    driver: Callable[..., PostgresLeases], database: Database
) -> None:
    lost = threading.Event()
    first = driver("run-a", host="elsewhere", on_lost=lost.set, beat=0.05)
    first.take(["a"])
    with database.connect("operator") as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'donvi run-a'"
        )

        def back() -> object:
            shown = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'donvi run-a'"
            return connection.execute(shown).fetchone()

        wait_for(back, "the session stays away")
    with pytest.raises(LockedError):
        driver("run-b", expires=0.0).take(["a"])
    assert not lost.is_set()


def test_a_database_that_stays_away_ends_the_run_before_anybody_may_follow() -> None:
    with running() as server:
        database = Database.of({"PULUMI_BACKEND_URL": server.url(server.database())})
        lost = threading.Event()
        leases = PostgresLeases(database, owners.myself("run-a"), lost.set, **QUICK)
        leases.take(["a"])
        server.stop()
        assert lost.wait(SOON)
        with pytest.raises(UnreachableError, match="can't be used"):
            PostgresLeases(database, owners.myself("run-b"))
        leases.close()


def test_a_password_is_in_no_message(postgres: Postgres) -> None:
    url = postgres.url("nowhere")
    with pytest.raises(UnreachableError) as caught:
        Database.of({"PULUMI_BACKEND_URL": url}).connect("donvi")
    assert postgres.password not in str(caught.value)
    assert "nowhere" in str(caught.value)


def test_the_engines_table_and_the_drivers_go_together() -> None:
    found = Database.of({"PULUMI_BACKEND_URL": "postgres://u@h/d?sslmode=require&table=city"})
    assert (found.state, found.leases) == ("city", "city_donvi_leases")
    assert "table" not in found.address
    with pytest.raises(UsageError):
        Database.of({"PULUMI_BACKEND_URL": "file:///state"})
