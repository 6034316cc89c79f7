"""Runs one stack at a time through the official CLI, as a person does by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.fleet.engine_process import EngineRun
from donvi.fleet.failures import error_of
from donvi.fleet.model import Options
from donvi.fleet.stacks import Stacks

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from donvi.fleet.model import Operation, Result, Step


class PlainRunner(Stacks):
    """A :class:`~donvi.fleet.model.StackRunner` that starts everything anew for each stack."""

    def run(
        self,
        operation: Operation,
        stack: str,
        options: Options | None = None,
        *,
        on_step: Callable[[Step], None] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Result:
        """Run to the end and say how it ended.

        :param on_step: called in this thread for every step.
        :param cancelled: once set, the engine is asked to end as by Ctrl-C.
        :raises UsageError: there is no ``pulumi``.
        """
        run = EngineRun(operation, stack, options or Options(), self.environ, self.repository)
        return run.run(on_step=on_step, cancelled=cancelled)

    def must(
        self,
        operation: Operation,
        stack: str,
        options: Options | None = None,
        *,
        on_step: Callable[[Step], None] | None = None,
    ) -> Result:
        """Run to the end; a stack that fails is an exception here.

        :raises LockedError: somebody else holds the stack, or a dead run left its lock.
        :raises PolicyError: a policy refuses a resource or the stack; the message names each.
        :raises EngineError: a resource or the program failed; the message names each.
        """
        result = self.run(operation, stack, options, on_step=on_step)
        if result.failure is not None:
            raise error_of(result.failure)
        return result
