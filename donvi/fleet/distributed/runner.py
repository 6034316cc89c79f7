"""A runner whose stacks are run by workers; everything else of a run stays with the driver."""

from __future__ import annotations

import os
import secrets
import threading
from typing import TYPE_CHECKING, Any, Self

import msgspec

from donvi.errors import UnreachableError, UsageError
from donvi.fleet import leasing
from donvi.fleet.distributed.work import Task, perform
from donvi.fleet.model import Failure, Operation, Options, Result, Status, Step
from donvi.fleet.stacks import REPOSITORY, Stacks
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

POLL = 0.2
CONNECT_SECONDS = 20
SLOT = "stack"
"""The resource of a worker (``dask worker --resources stack=2``) of which every stack takes one."""

TLS = ("CA_FILE", "CERT", "KEY")
VARIABLES = "DONVI_SCHEDULER_{}"


class DistributedRunner(Stacks):
    """A :class:`~donvi.fleet.model.StackRunner` on a dask scheduler.

    :param scheduler: ``tls://host:port``; ``tcp://`` only on this host.
    :param run: id of the run, told to the workers.
    :param repository: folder of ``Pulumi.yaml`` here; workers have it at the same place, or their own clone's is used.
    :raises UsageError: the state isn't in Postgres, or the scheduler is reached without TLS.
    :raises UnreachableError: no scheduler answers.
    """

    def __init__(
        self,
        scheduler: str,
        environ: Mapping[str, str],
        *,
        project: str,
        run: str = "",
        repository: Path = REPOSITORY,
    ) -> None:
        super().__init__(environ, repository=repository)
        if not leasing.is_postgres(environ):
            raise UsageError("workers need a state they share", hint="put it into Postgres: docs/scale.md")
        self._run, self._project = run or secrets.token_hex(4), project
        self._folder = "" if repository == REPOSITORY else str(repository)
        self._client = _client(scheduler, environ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def run(
        self,
        operation: Operation,
        stack: str,
        options: Options | None = None,
        *,
        on_step: Callable[[Step], None] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Result:
        """Have a worker run the stack and say how it ended; steps are told as they come."""
        from distributed import Event

        topic = f"donvi-{self._run}-{stack}-{secrets.token_hex(4)}"
        task = Task(self._run, operation, stack, options or Options(), self._project, self._folder, topic)
        if on_step is not None:
            self._client.subscribe_topic(topic, lambda event: on_step(msgspec.json.decode(event[1], type=Step)))
        future = self._client.submit(perform, msgspec.json.encode(task), key=topic, pure=False, resources={SLOT: 1})
        told, done = False, threading.Event()
        future.add_done_callback(lambda _: done.set())
        try:
            while not done.wait(POLL):
                if cancelled is not None and cancelled.is_set() and not told:
                    told = True
                    Event(topic, client=self._client).set()
            return self._result(future, operation, stack)
        finally:
            if on_step is not None:
                self._client.unsubscribe_topic(topic)

    def _result(self, future: Any, operation: Operation, stack: str) -> Result:
        error = future.exception()
        if error is None:
            return msgspec.json.decode(future.result(), type=Result)
        told = redact(" ".join(str(error).split())) or type(error).__name__
        failure = Failure(
            "engine", f"the workers couldn't run {stack}: {told}", "look at their logs; then `donvi resume`"
        )
        return Result(stack, operation, Status.FAILED, failure=failure)


def _client(scheduler: str, environ: Mapping[str, str]) -> Any:
    from distributed import Client
    from distributed.security import Security

    security = None
    if scheduler.startswith("tls://"):
        files = {name: environ.get(VARIABLES.format(name), "") for name in TLS}
        if missing := [VARIABLES.format(name) for name, file in files.items() if not os.path.isfile(file)]:  # noqa: PTH113
            raise UsageError(f"{missing[0]} names no file", hint="the scheduler takes clients with a certificate only")
        security = Security(
            tls_ca_file=files["CA_FILE"],
            tls_client_cert=files["CERT"],
            tls_client_key=files["KEY"],
            require_encryption=True,
        )
    elif not scheduler.startswith("tcp://127.0.0.1:"):
        raise UsageError(f"{scheduler} isn't reached by TLS", hint="give tls://host:port")
    try:
        return Client(scheduler, security=security, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise UnreachableError(
            f"no scheduler answers on {scheduler}: {redact(str(error))}", hint="`dask scheduler` starts one"
        ) from None
