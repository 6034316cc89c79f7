"""The stages of ``donvi lab open`` that need the engine: city platform, pilot units, proof."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from donvi.fleet.model import Operation
from donvi.fleet.plain import PlainRunner
from donvi.tenancy import names
from lab import environment
from lab.plan import machine_units
from lab.stages import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from donvi.fleet.model import Result, Step
    from donvi.registry import City
    from donvi.verify import CheckResult, Verdict
    from lab.settings import LabSettings
    from lab.stages import Progress

T = TypeVar("T")
PLATFORM = "platform"
AT_ONCE = 2  # units; a run of one keeps about one core busy


class Opening:
    """Opens the city platform and the units that have machines in the lab, then asks the real systems.

    :ivar verdicts: what the proof saw, in the order of the codes; empty before it ran.
    """

    def __init__(self, settings: LabSettings, city: City) -> None:
        self._settings = settings
        self._city = city
        self._codes = machine_units(city, settings)
        self.verdicts: list[Verdict] = []

    def platform(self) -> list[Stage]:
        """Return the stages that need no cluster, in order."""
        return [Stage("City platform", self._platform)]

    def units(self) -> list[Stage]:
        """Return the stages after them, in order."""
        return [Stage("Pilot units", self._units), Stage("Proof", self._proof)]

    def _environ(self) -> dict[str, str]:
        # a fresh token for every stage: it lives shorter than the slowest run
        return environment.variables(self._settings, "apply")

    def _runner(self) -> PlainRunner:
        return PlainRunner(self._environ(), repository=self._settings.repository)

    def _platform(self, progress: Progress) -> str:
        return _told([_up(self._runner(), PLATFORM, progress)])

    def _units(self, progress: Progress) -> str:
        runner = self._runner()
        stacks = [names.stack(self._city.allotments[code]) for code in self._codes]
        return _told(side_by_side([partial(_up, runner, stack, progress) for stack in stacks]))

    def _proof(self, progress: Progress) -> str:
        from donvi.verify import verify

        environ, counted = self._environ(), _Counter(progress)
        self.verdicts = side_by_side([partial(verify, code, environ=environ, on_check=counted) for code in self._codes])
        closed = [verdict.unit for verdict in self.verdicts if not verdict.open]
        return f"not open: {', '.join(closed)}" if closed else f"{counted.done} checks passed"


class _Counter:
    """Counts checks of units that are asked at the same time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = Lock()
        self.done = 0

    def __call__(self, check: CheckResult) -> None:
        with self._lock:
            self.done += 1
        self._progress.note(f"{self.done} checks · {check.system}: {check.title}")


def side_by_side(works: Sequence[Callable[[], T]]) -> list[T]:
    """Run the works, a few at once, and return their results in order.

    Every work runs to its end even when another fails; then the first error is raised, the others noted on it.
    """
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        futures = [pool.submit(work) for work in works]
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        for other in errors[1:]:
            errors[0].add_note(str(other))
        raise errors[0]
    return [future.result() for future in futures]


def _up(runner: PlainRunner, stack: str, progress: Progress) -> Result:
    def tell(step: Step) -> None:
        if step.op not in {"same", "read"}:
            progress.note(f"{stack}: {step.op} {step.name} {step.state}")

    runner.ensure(stack)
    return runner.must(Operation.UP, stack, on_step=tell)


def _told(results: list[Result]) -> str:
    changed = sum(result.changed for result in results)
    return f"{changed} changes" if changed else "no change"
