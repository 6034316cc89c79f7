"""A bounded pool that can be asked to stop, and limits of what may be removed."""

from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime

import pytest

from donvi.errors import UsageError
from donvi.fleet import limits
from donvi.fleet.model import Failure, Operation, Result, Status
from donvi.fleet.records import Ended, Settings, State
from donvi.fleet.schedule import Budget, Stop, run_all


def test_no_more_run_at_once_than_allowed_and_all_are_done() -> None:
    lock, now, most, done = threading.Lock(), 0, 0, []
    full = threading.Barrier(3, timeout=30)

    def work(item: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        full.wait()  # goes on when three run at the same time
        with lock:
            now -= 1
            done.append(item)

    run_all(range(9), work, parallel=3, stop=Stop())
    assert most == 3
    assert sorted(done) == list(range(9))


def test_after_a_halt_nothing_begins_and_what_runs_ends() -> None:
    stop, done = Stop(), []

    def work(item: int) -> None:
        if item == 1:
            stop.halt("enough")
        done.append(item)

    run_all(range(100), work, parallel=1, stop=stop)
    assert done == [0, 1]
    assert stop.why == "enough"


def test_an_error_ends_the_run_and_is_raised_once_the_others_have_ended() -> None:
    ended = []
    begun = threading.Event()

    def work(item: int) -> None:
        if item == 0:
            begun.wait(30)
            raise UsageError("there is no pulumi")
        begun.set()
        ended.append(item)

    with pytest.raises(UsageError, match="no pulumi"):
        run_all(range(2), work, parallel=2, stop=Stop())
    assert ended == [1]


def test_a_signal_halts_and_asks_what_runs_to_end() -> None:
    stop, heard, done = Stop(), [], []

    def work(item: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.cancelled.wait(30)
        done.append(item)

    before = signal.getsignal(signal.SIGTERM)
    with stop.on_signals(heard.append):
        run_all(range(5), work, parallel=1, stop=stop)
    assert done == [0]
    assert heard == [1]
    assert stop.interrupted
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_wait_ends_when_a_signal_comes() -> None:
    stop = Stop()
    with stop.on_signals(lambda _number: None):
        stop.wait(3600, lambda _left: os.kill(os.getpid(), signal.SIGINT) if not stop.interrupted else None)
    assert stop.why == "interrupted"


@pytest.mark.parametrize(("most", "failures", "halted"), [(0, 1, True), (1, 1, False), (1, 2, True), (None, 99, False)])
def test_the_run_stops_when_more_stacks_failed_than_allowed(most: int | None, failures: int, halted: object) -> None:
    stop = Stop()
    budget = Budget(most, stop)
    now = datetime.now(UTC)
    budget.count(Ended("a", State.DONE, now))
    for _ in range(failures):
        budget.count(Ended("b", State.FAILED, now, failure=Failure("engine", "it broke")))
    assert stop.halted is halted
    assert not stop.cancelled.is_set(), "what runs goes on to its end"


# what may be removed


def looked(stack: str, **counts: int) -> Result:
    return Result(stack, Operation.UP, Status.DONE, counts=counts)


def test_deletions_and_replacements_count_and_nothing_else_does() -> None:
    found = limits.removal([looked("a", same=9, update=2, create=3), looked("b", delete=2, replace=1)])
    assert found.count == 3
    assert str(found) == "b 3"


def test_nothing_is_looked_at_twice_where_no_limit_was_set() -> None:
    assert not limits.must_look(Operation.UP, Settings())
    assert limits.must_look(Operation.UP, Settings(max_deletes=0))
    assert limits.must_look(Operation.DESTROY, Settings())
    assert not limits.must_look(Operation.PREVIEW, Settings(max_deletes=0))


@pytest.mark.parametrize(("deletes", "asked"), [(0, False), (2, False), (3, True)])
def test_only_more_deletions_than_the_limit_need_a_word(deletes: int, asked: object) -> None:
    found = limits.removal([looked("a", delete=deletes)])
    assert limits.needs_word(Operation.UP, Settings(max_deletes=2), found) is asked
    assert limits.needs_word(Operation.DESTROY, Settings(), found) is (deletes > 0)


@pytest.mark.parametrize("said", [None, 2, 4])
def test_only_the_very_number_lets_go_on(said: int | None) -> None:
    found = limits.removal([looked("a", delete=3)])
    with pytest.raises(UsageError, match=r"3 resources would be deleted \(a 3\).*nothing was changed"):
        limits.require(found, said)
    limits.require(found, 3)
