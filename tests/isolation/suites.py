"""One machine under proof: only it has its rules, everything around it is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.isolation import probes, talks
from tests.isolation.oracle import CORE
from tests.isolation.wire import forget_connections, forget_neighbours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.isolation.bench import Bench
    from tests.isolation.oracle import Probe

PILOTS = ("25747", "26506", "26740")


class Suite:
    """Everything that is asked of one machine."""

    def __init__(self, bench: Bench, machine: str) -> None:
        self.bench, self.machine = bench, machine
        world = bench.world
        if machine == CORE:
            self.packets: list[Probe] = probes.around_router(world, PILOTS[:2])
        else:
            self.packets = probes.around_gateway(world, machine, next(code for code in PILOTS if code != machine))

        self.verdicts = {probe: world.walk(probe, machine.__eq__) for probe in self.packets}

    def problems(self) -> Iterator[str]:
        """Yield what isn't as it must be, the quickest questions first."""
        units = PILOTS[:2] if self.machine == CORE else (self.machine,)
        forget_neighbours(self.machine)
        forget_connections(self.machine)
        yield from talks.settle(self.bench, units)
        yield from self.bench.check(self.packets, self.verdicts.__getitem__)
        for code in units:
            yield from talks.answers(self.bench, code, 2 if self.machine == CORE else 1)
        if self.machine == CORE:
            yield from talks.links_answered(self.bench)
        yield from talks.neighbours(self.bench, self.machine)
        yield from talks.errors_heard(self.bench, self.machine)
        yield from talks.alone(self.machine)
        yield from talks.own_answer(self.bench, self.machine)
        if self.machine != CORE:
            yield from talks.own_calls(self.bench, self.machine)
