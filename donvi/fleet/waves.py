"""In which order many units are changed: pilots first, then growing waves. Pure.

The pilots are the units of wave 1 in the city's data. The rest follows in waves that double, so that what the pilots
didn't show still meets few units first. Inside a wave of the city's data the former localities take turns: every wave
holds some of each.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from donvi.fleet.select import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from donvi.fleet.select import Target

PILOTS = 1
"""The wave of the city's data that goes first."""

FIRST = 5
"""Size of the first wave where no pilot is selected."""

GROWTH = 2


def plan(targets: Iterable[Target]) -> tuple[tuple[str, ...], ...]:
    """Return the stacks of each wave, in order; ``platform`` is in none, it goes before all.

    A selection that fits into the first wave is one wave, so nothing lies between waves.
    """
    units = [target for target in targets if target.stack != PLATFORM]
    pilots = [unit for unit in units if unit.wave == PILOTS]
    rest = [unit for unit in units if unit.wave != PILOTS]
    waves = [tuple(_turns(pilots))] if pilots else []
    size = len(pilots) * GROWTH or FIRST
    ordered = [stack for number in sorted({unit.wave for unit in rest}) for stack in _turns(_of_wave(rest, number))]
    while ordered:
        waves.append(tuple(ordered[:size]))
        ordered = ordered[size:]
        size *= GROWTH
    return tuple(waves)


def spread(targets: Sequence[Target], number: int) -> tuple[Target, ...]:
    """Return at most so many of the targets, of as many former localities as there are; the same ones each time."""
    chosen = set(list(_turns(targets))[:number])
    return tuple(target for target in targets if target.stack in chosen)


def _of_wave(units: Iterable[Target], number: int) -> list[Target]:
    return [unit for unit in units if unit.wave == number]


def _turns(units: Iterable[Target]) -> Iterator[str]:
    """Yield stacks so that localities take turns."""
    queues: dict[str, list[str]] = {}
    for unit in units:
        queues.setdefault(unit.locality, []).append(unit.stack)
    for row in zip_longest(*queues.values()):
        yield from (stack for stack in row if stack is not None)
