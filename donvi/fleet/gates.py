"""What decides between two waves: the real systems of the units just done, asked as their people would.

A gate opens when no more units than the failure budget allows were found not open. A unit whose stack failed isn't
asked: it isn't open. What nobody could judge counts as not open, as everywhere (``donvi.verify``). Who asks is given
from outside: this room knows no real system.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from donvi.fleet.records import UNFINISHED, Judged, Unhealthy
from donvi.fleet.schedule import run_all
from donvi.fleet.waves import spread

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from donvi.fleet.records import State
    from donvi.fleet.schedule import Stop
    from donvi.fleet.select import Target


class Health(msgspec.Struct, frozen=True):
    """What the real systems say of a unit: open, or why not."""

    open: bool
    reason: str = ""


class Probe(Protocol):
    """Asks the real systems about one unit; called from several threads."""

    def __call__(self, code: str, cancelled: threading.Event) -> Health:
        """Return the unit's health; ``cancelled`` ends the asking."""
        ...


def ask(
    wave: int,
    targets: Sequence[Target],
    states: Mapping[str, State],
    probe: Probe,
    *,
    most: int | None,
    probes: int,
    parallel: int,
    stop: Stop,
    tell: Callable[[str, Health], None],
) -> Judged | None:
    """Probe a wave's units and judge; ``None`` when a signal came before it was decided.

    :param states: where each stack of the wave stands.
    :param most: how many units may be found not open, ``None`` for any number.
    :param probes: how many are asked at most, of all former localities.
    :param tell: called with each unit's code and health as it comes, from several threads.
    """
    failed = [target for target in targets if states[target.stack] in UNFINISHED]
    asked = spread([target for target in targets if target not in failed], probes)
    found: dict[str, Health] = {target.code: Health(open=False, reason="its stack failed") for target in failed}

    def one(target: Target) -> None:
        health = probe(target.code, stop.cancelled)
        found[target.code] = health
        tell(target.code, health)

    run_all(asked, one, parallel=parallel, stop=stop)
    return None if stop.interrupted else judge(wave, asked, found, most=most)


def judge(wave: int, asked: Sequence[Target], found: Mapping[str, Health], *, most: int | None) -> Judged:
    """Say whether the next wave may begin. Pure but for the time."""
    unhealthy = tuple(Unhealthy(code, health.reason) for code, health in sorted(found.items()) if not health.open)
    passed = most is None or len(unhealthy) <= most
    allowed = "any number" if most is None else str(most)
    why = f"{len(unhealthy)} not open, {allowed} allowed" if unhealthy else "all open"
    return Judged(wave, tuple(target.code for target in asked), unhealthy, datetime.now(UTC), why, passed=passed)
