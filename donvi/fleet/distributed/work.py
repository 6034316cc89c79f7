"""What a worker does with one stack: hold a lease of its own, finish what a dead worker began, run the engine.

dask gives a task to another worker when it has lost the first. Lost isn't dead: a worker that can't be reached may
still have an engine at work. So a worker takes a lease of the stack before it begins, and whoever follows waits until
that lease proves the first one dead. Every worker has its secrets in its own environment; nothing secret travels.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from donvi.errors import DonviError, LockedError
from donvi.fleet import leasing, owners, pending
from donvi.fleet.failures import failure_of
from donvi.fleet.model import Operation, Options, Result, Status
from donvi.fleet.plain import PlainRunner
from donvi.fleet.postgres import Database, PostgresLeases
from donvi.fleet.postgres.leases import EXPIRES
from donvi.fleet.stacks import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from donvi.fleet.model import Step

PATIENCE = EXPIRES + 90.0
"""Seconds to wait for the proof that the worker that had a stack before is dead, and for its engine to end."""

POLL = 1.0
T = TypeVar("T")
ENGINE = "engine/"
"""Before a stack's name in the table of leases: the worker's lease, beside the driver's own."""


class Task(msgspec.Struct, frozen=True):
    """One operation of one stack, as it travels.

    :param repository: folder of ``Pulumi.yaml`` on the workers, empty for their own clone's.
    :param topic: where steps are told; the name of the event that ends the task is the same.
    """

    run: str
    operation: Operation
    stack: str
    options: Options
    project: str
    repository: str
    topic: str


def perform(data: bytes) -> bytes:
    """Do a :class:`Task` on this worker; returns the :class:`Result`, both as JSON."""
    from distributed import Event, get_client, get_worker

    task = msgspec.json.decode(data, type=Task)
    worker, ended = get_worker(), Event(task.topic, client=get_client())

    def tell(step: Step) -> None:
        worker.log_event(task.topic, msgspec.json.encode(step).decode())

    with _watched(lambda: bool(ended.is_set())) as cancelled:
        result = run(task, tell, cancelled)
    return msgspec.json.encode(result)


def run(task: Task, tell: Callable[[Step], None], cancelled: threading.Event) -> Result:
    """Take the lease, heal what a dead worker left, run the engine; what fails is a result."""
    try:
        if task.operation is Operation.PREVIEW:
            return _engine(task, task.options, tell, cancelled)
        leases = PostgresLeases(Database.of(os.environ), owners.myself(task.run), cancelled.set)
        try:
            followed = _patiently(lambda: leases.take([ENGINE + task.stack]), cancelled)
            options = task.options
            if followed:
                _patiently(lambda: leasing.heal(os.environ, task.project, task.stack), cancelled)
                pending.strike(os.environ, task.project, task.stack)
                options = msgspec.structs.replace(options, refresh=task.operation is not Operation.DESTROY)
            return _engine(task, options, tell, cancelled)
        finally:
            leases.close()
    except DonviError as error:
        return Result(task.stack, task.operation, Status.FAILED, failure=failure_of(error))


def _engine(task: Task, options: Options, tell: Callable[[Step], None], cancelled: threading.Event) -> Result:
    runner = PlainRunner(os.environ, repository=Path(task.repository) if task.repository else REPOSITORY)
    return runner.run(task.operation, task.stack, options, on_step=tell, cancelled=cancelled)


def _patiently(attempt: Callable[[], T], cancelled: threading.Event) -> T:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return attempt()
        except LockedError:
            if time.monotonic() > end or cancelled.wait(POLL):
                raise


@contextmanager
def _watched(ask: Callable[[], bool]) -> Iterator[threading.Event]:
    """Ask again and again whether the driver wants the task to end."""
    cancelled, over = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(POLL):
            if ask():
                cancelled.set()
                return

    thread = threading.Thread(target=watch, name="cancelled", daemon=True)
    thread.start()
    try:
        yield cancelled
    finally:
        over.set()
        thread.join(POLL * 5)
