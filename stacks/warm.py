"""For a process that forks one for each stack's program: does now what every program would do again.

A rehearsal of one unit's program, with everything it asks for answered here, leaves behind what is the same for all
stacks: imported modules, compiled templates, what the SDK found out about each resource class, the city's data. What
belongs to a stack the SDK keeps in context variables, and the rehearsal has a context of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pulumi
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime import mocks

from donvi.deployment import text_from_environment
from donvi.tenancy import names
from stacks import program

if TYPE_CHECKING:
    from pulumi.runtime import MockCallArgs, MockResourceArgs

THREADS = 8
REFERENCE = "pulumi:pulumi:StackReference"
log = logging.getLogger(__name__)


class Answers(pulumi.runtime.Mocks):
    """Says of every resource that it is as declared, and where the city's systems are.

    :param deployment: what the platform's stack would say.
    """

    def __init__(self, deployment: str) -> None:
        self._deployment = deployment

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        """Return the inputs as outputs."""
        if args.typ == REFERENCE:
            return args.name, {"name": args.name, "outputs": {"deployment": self._deployment}}
        return args.name, dict(args.inputs)

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        """Return nothing."""
        return {}, None


def warm() -> None:
    """Rehearse; what goes wrong here goes wrong again, and is told, in the programs."""
    try:
        city = program.the_city()
        stack = names.stack(city.allotments[min(city.people)])
        contextvars.copy_context().run(rehearse, stack, text_from_environment(os.environ))
    except Exception as error:  # noqa: BLE001 - it only costs time
        log.warning("no rehearsal: %s", error)


def rehearse(stack: str, deployment: str) -> None:
    """Run a stack's program with nobody behind it."""
    quiet = logging.getLogger(f"{__name__}.rehearsal")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    monitor = mocks.MockMonitor(Answers(deployment))
    known = set(monitor.GetDeploymentInfo(empty_pb2.Empty()).supportedFeatures)  # type: ignore[no-untyped-call]
    pulumi.runtime.configure(
        mocks.MockSettings(  # type: ignore[no-untyped-call]
            monitor=monitor,
            monitor_features=known,
            engine=mocks.MockEngine(quiet),
            project="donvi",
            stack=stack,
            dry_run=True,
            organization="organization",
        )
    )
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with ThreadPoolExecutor(THREADS) as threads:
        loop.set_default_executor(threads)
        try:
            loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: program.run(stack)))
        finally:
            asyncio.set_event_loop(None)
            loop.close()
