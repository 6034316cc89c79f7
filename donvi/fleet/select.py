"""Which stacks a command means. Pure: the city, what was asked and what the shell found out go in, stacks come out.

Criteria narrow each other down (locality *and* wave *and* changed since); several values of one criterion widen it
(wave 1 *or* 2). Units that are named come on top of what the criteria find. A shard then cuts the whole.

``platform`` is what all units share, so it is part of ``--all``, of what a git revision changed and of what failed; a
criterion that speaks of units (locality, wave, system) or a shard leaves it out, because every shard would run it.
It can always be named. A selection runs it first, and last where stacks are destroyed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from donvi.errors import UsageError
from donvi.registry import find_unit
from donvi.registry.lookup import closest
from donvi.registry.text import fold
from donvi.tenancy import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from donvi.registry import City, Unit

PLATFORM = "platform"
WAYS = (
    "name units (`26506`, `vung-tau`, `platform`), or give --all, --locality, --wave, --system, --changed-since, "
    "--failed or --shard"
)
_SHARD = re.compile(r"([1-9]\d{0,3})/([1-9]\d{0,3})")


class Shard(msgspec.Struct, frozen=True):
    """One of several parts that together are the whole and share nothing; ``number`` counts from 1."""

    number: int
    of: int

    def holds(self, position: int) -> bool:
        """Say whether the unit with this number in the ledger, from 0, is in this part."""
        return position % self.of == self.number - 1


class Selection(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person asked for, as it was typed.

    :param platform: put it in or leave it out, whatever the rest says; ``None`` leaves it to the rest.
    """

    everything: bool = False
    units: tuple[str, ...] = ()
    localities: tuple[str, ...] = ()
    waves: tuple[int, ...] = ()
    systems: tuple[str, ...] = ()
    changed_since: str = ""
    failed: bool = False
    shard: Shard | None = None
    platform: bool | None = None

    @property
    def of_units(self) -> bool:
        """Whether a criterion speaks of units only."""
        return bool(self.localities or self.waves or self.systems or self.shard)

    @property
    def has_criteria(self) -> bool:
        """Whether something besides names was given."""
        return bool(self.everything or self.changed_since or self.failed or self.of_units)

    @property
    def empty(self) -> bool:
        """Whether nothing was selected at all, which is never taken for everything."""
        return not (self.has_criteria or self.units or self.platform)


class Facts(msgspec.Struct, frozen=True):
    """What the city's data doesn't say: stacks that the last run failed at, stacks that a git revision changed."""

    failed: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()


class Target(msgspec.Struct, frozen=True):
    """One stack to work on; code, name, locality and wave are those of its unit, ``platform`` has none."""

    stack: str
    code: str = ""
    name: str = ""
    locality: str = ""
    wave: int = 0


def parse_shard(text: str) -> Shard:
    """Return the part that ``i/n`` means.

    :raises UsageError: it isn't of that form, or i is greater than n.
    """
    match = _SHARD.fullmatch(text.strip())
    shard = Shard(int(match[1]), int(match[2])) if match else None
    if shard is None or shard.number > shard.of:
        raise UsageError(f"{text!r} is no shard", hint="say 1/4 for the first of four; shards count from 1")
    return shard


def choose(city: City, selection: Selection, facts: Facts | None = None) -> tuple[Target, ...]:
    """Return the stacks that a selection means: ``platform`` first, then units by code; perhaps none.

    :raises UsageError: nothing was selected, a name is unknown or means several units, or no unit has a locality, wave
        or system that was asked for.
    """
    if selection.empty:
        raise nothing_selected()
    known = facts or Facts()
    named = {find_unit(city, query).code for query in selection.units if fold(query) != PLATFORM}
    found = {unit.code for unit in _by_criteria(city, selection, known)} | named
    codes = sorted(code for code in found if selection.shard is None or selection.shard.holds(position(city, code)))
    targets = [target_of(city, code) for code in codes]
    return (Target(PLATFORM), *targets) if _with_platform(selection, known) else tuple(targets)


def nothing_selected() -> UsageError:
    """Return the error of a command that says no stack: nothing is never taken for everything."""
    return UsageError("no stack was selected", hint=WAYS)


def target_of(city: City, code: str) -> Target:
    """Return the stack of a unit."""
    unit = city.units[code]
    return Target(names.stack(city.allotments[code]), code, unit.name, unit.locality, unit.wave)


def position(city: City, code: str) -> int:
    """Return a unit's number in the ledger, from 0: given once, never again, and unmoved by units that come or go."""
    pools = city.settings.pools
    return (city.allotments[code].uid_first - pools.uid_first) // pools.uid_per_unit


def _with_platform(selection: Selection, facts: Facts) -> bool:
    if selection.platform is not None:
        return selection.platform
    if any(fold(query) == PLATFORM for query in selection.units):
        return True
    if selection.of_units or not selection.has_criteria:
        return False
    changed = not selection.changed_since or PLATFORM in facts.changed
    return changed and (not selection.failed or PLATFORM in facts.failed)


def _by_criteria(city: City, selection: Selection, facts: Facts) -> list[Unit]:
    if not selection.has_criteria:
        return []
    localities = _known("locality", selection.localities, {unit.locality for unit in city.units.values()})
    waves = _known("wave", map(str, selection.waves), {str(unit.wave) for unit in city.units.values()})
    tests: list[Callable[[Unit], bool]] = []
    if selection.localities:
        tests.append(lambda unit: fold(unit.locality) in localities)
    if selection.waves:
        tests.append(lambda unit: str(unit.wave) in waves)
    if selection.systems:
        tenants = _tenants(city, selection.systems)
        tests.append(lambda unit: unit.code in tenants)
    for asked, stacks in ((selection.changed_since, facts.changed), (selection.failed, facts.failed)):
        if asked:
            tests.append(lambda unit, stacks=stacks: names.stack(city.allotments[unit.code]) in stacks)  # type: ignore[misc]
    return [unit for unit in city.units.values() if unit.code in city.allotments and all(test(unit) for test in tests)]


def _known(field: str, asked: Iterable[str], values: set[str]) -> set[str]:
    """Return the values asked for, folded.

    :raises UsageError: no unit has one of them.
    """
    folded = {fold(value) for value in values}
    wanted = {fold(value): value for value in asked}
    for value in wanted.keys() - folded:
        raise UsageError(f"no unit has {field} {wanted[value]!r}", hint=f"there are: {', '.join(sorted(values))}")
    return set(wanted)


def _tenants(city: City, systems: Sequence[str]) -> set[str]:
    """Return the units that have something of one of the systems."""
    from donvi.tenancy import describe  # only here: it derives everything a unit has

    for system in systems:
        if system not in city.systems:
            near = closest(system, city.systems) or sorted(city.systems)
            raise UsageError(f"the catalogue has no system {system!r}", hint=f"did you mean {' or '.join(near)}?")
    asked = set(systems)
    return {code for code in city.allotments if asked & {one.id for one in describe(city, code).systems}}
