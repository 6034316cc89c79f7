"""How long an operation may take, and the engine's wish that it stop."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab.kubernetes_plugin.errors import InterruptedRunError

if TYPE_CHECKING:
    import threading

DEFAULT_SECONDS = 600.0
"""The official plugin's: ten minutes for whatever is awaited."""
READ_SECONDS = 60.0
"""For what only looks: previews and refreshes."""


@dataclass
class Deadline:
    """An end in time that every wait of one operation shares.

    :param cancelled: set when the engine cancels the run.
    """

    seconds: float
    cancelled: threading.Event
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds until the end, never negative."""
        return max(0.0, self.began + self.seconds - time.monotonic())

    @property
    def over(self) -> bool:
        """The time is up."""
        return self.left <= 0

    def check(self) -> None:
        """Stop here if the run was cancelled.

        :raises InterruptedRunError: it was.
        """
        if self.cancelled.is_set():
            raise InterruptedRunError("the run was interrupted while this was waiting", hint="Run it again")

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until the end.

        :raises InterruptedRunError: the run was cancelled meanwhile.
        """
        self.cancelled.wait(min(seconds, self.left))
        self.check()
