"""A bounded pool that can be asked to stop, and what Ctrl-C means to it.

The first Ctrl-C (or SIGTERM, as CI sends it): no new stack begins, and the engines that run are asked to end as by
their own Ctrl-C: they finish the resources they are at, record them and give up their locks. The second: the driver
leaves at once. What it leaves behind is in the journal, and ``donvi resume`` proves the dead, heals and goes on.

How much of one real system's time all running stacks take together is the provider's business: it bounds and paces
what it asks of each backend.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

    from donvi.fleet.records import Ended

T = TypeVar("T")
INTERRUPTED = 130
"""Exit code of a command that a signal ended, as shells write it."""

POLL_SECONDS = 0.1
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether a run may begin anything new, and whether what runs shall end.

    :ivar cancelled: set once engines and probes are asked to end.
    :ivar why: the first reason for beginning nothing new; empty while there is none.
    """

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.why = ""
        self._lock = threading.Lock()
        self._signals = 0
        self._on_signal: Callable[[int], None] = lambda _number: None

    @property
    def halted(self) -> bool:
        """Whether nothing new begins."""
        return bool(self.why)

    @property
    def interrupted(self) -> bool:
        """Whether a signal asked the run to end."""
        return self._signals > 0

    def halt(self, why: str) -> None:
        """Begin nothing new; what runs goes on to its end."""
        with self._lock:
            self.why = self.why or why

    def end(self, why: str) -> None:
        """Begin nothing new, and have what runs end as by Ctrl-C."""
        self.halt(why)
        self.cancelled.set()

    def look(self) -> None:
        """See whether a signal came; called often by the main thread, the only one that gets signals."""
        if self._signals and not self.cancelled.is_set():
            self.halt("interrupted")
            self.cancelled.set()
            self._on_signal(self._signals)

    def wait(self, seconds: float, tell: Callable[[float], None]) -> None:
        """Let time pass, in the main thread, until a signal comes; ``tell`` gets the seconds that are left."""
        end = time.monotonic() + seconds
        while not self.halted and (left := end - time.monotonic()) > 0:
            tell(left)
            time.sleep(min(POLL_SECONDS, left))
            self.look()

    @contextmanager
    def on_signals(self, tell: Callable[[int], None]) -> Iterator[None]:
        """Take Ctrl-C and SIGTERM for as long as the block runs; ``tell`` hears the first as 1, the second as 2."""

        def caught(_number: int, _frame: FrameType | None) -> None:
            # no lock here: the main thread may hold any of them in this moment
            self._signals += 1
            if self._signals > 1:
                tell(self._signals)
                os._exit(INTERRUPTED)

        self._on_signal = tell
        before = {number: signal.signal(number, caught) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Budget:
    """Counts stacks that failed and stops the run when there are too many.

    :param most: how many may fail; ``None`` for any number.
    """

    def __init__(self, most: int | None, stop: Stop) -> None:
        self.most = most
        self.failed = 0
        self._stop = stop
        self._lock = threading.Lock()

    def count(self, ended: Ended) -> None:
        """Take the end of a stack into account."""
        if ended.failure is None:
            return
        with self._lock:
            self.failed += 1
            if self.most is not None and self.failed > self.most:
                allowed = "none may fail" if self.most == 0 else f"{self.most} may fail"
                self._stop.halt(f"{self.failed} failed, {allowed} (--max-failures)")


def run_all(items: Iterable[T], work: Callable[[T], None], *, parallel: int, stop: Stop) -> None:
    """Do the work for every item, a few at once, in order of the items; returns when nothing runs any more.

    Once the run is stopped no further item begins. An error in a work stops the run, and is raised when the others that
    run have ended.
    """
    waiting = deque(items)
    errors: list[BaseException] = []

    def labour() -> None:
        while not stop.halted:
            try:
                item = waiting.popleft()
            except IndexError:
                return
            try:
                work(item)
            except BaseException as error:  # noqa: BLE001  # raised again in the main thread
                errors.append(error)
                stop.halt(str(error))

    threads = [
        threading.Thread(target=labour, name=f"stack-{number}", daemon=True)
        for number in range(min(parallel, len(waiting)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            stop.look()
            thread.join(POLL_SECONDS)
    stop.look()
    if errors:
        raise errors[0]
