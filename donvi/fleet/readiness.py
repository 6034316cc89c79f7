"""What is reported of a run: by former locality, by system, what failed alike, which units aren't open. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime  # noqa: TC003  # msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from donvi.fleet.markdown import text
from donvi.fleet.model import QUIET
from donvi.fleet.normalise import Normalisers
from donvi.fleet.records import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.fleet.progress import Picture, StackStory
    from donvi.registry import City

NAMED = 10
"""Units of a group that are named; the others are counted."""

GOOD = frozenset({State.DONE, State.UNCHANGED, State.SKIPPED})
SHARED = "dùng chung"
"""The locality of what belongs to no unit."""


class LocalityRow(msgspec.Struct, frozen=True):
    """The stacks of a former locality.

    :param states: state to number; :param changed: resources touched, or in a preview to be touched.
    :param open: units that a gate asked and found open, of those it asked.
    """

    name: str
    stacks: int
    states: dict[str, int]
    changed: int
    asked: int
    open: int


class SystemRow(msgspec.Struct, frozen=True):
    """A system: resources touched in it, and units in which a gate found it wanting."""

    name: str
    touched: int
    wanting: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """Stacks that failed alike: the message and remedy in normal form, or of the one stack as they are."""

    stacks: tuple[str, ...]
    message: str
    hint: str = ""


class RunReport(msgspec.Struct, frozen=True):
    """A run, for people who weren't there.

    :param ready: whether every stack ended well and no unit that was asked was found wanting.
    """

    id: str
    operation: str
    state: str
    begun: datetime
    ended: datetime | None
    revision: str
    ready: bool
    localities: tuple[LocalityRow, ...]
    systems: tuple[SystemRow, ...]
    failures: tuple[Group, ...]
    unfinished: tuple[str, ...]


def run_report(seen: Picture, city: City) -> RunReport:
    """Return the report of a run.

    :param city: names its systems and says which values of a message are a unit's own.
    """
    asked = {code for gate in seen.gates for code in gate.asked}
    wanting = {one.code: one.reason for gate in seen.gates for one in gate.unhealthy}
    well = all(stack.state in GOOD for stack in seen.stacks)
    return RunReport(
        seen.id,
        seen.operation.value,
        seen.state.value,
        seen.begun,
        seen.ended,
        seen.revision,
        well and not wanting,
        tuple(_localities(seen.stacks, asked, set(wanting))),
        tuple(_systems(seen.systems, wanting, city)),
        tuple(_failures(seen.stacks, city)),
        tuple(stack.stack for stack in seen.unfinished),
    )


def _localities(stacks: Iterable[StackStory], asked: set[str], wanting: set[str]) -> Iterable[LocalityRow]:
    groups: dict[str, list[StackStory]] = defaultdict(list)
    for stack in stacks:
        groups[stack.locality or SHARED].append(stack)
    for name, group in sorted(groups.items(), key=lambda item: (item[0] == SHARED, item[0])):
        codes = {stack.code for stack in group} & asked
        states = Counter(stack.state.value for stack in group)
        changed = sum(count for stack in group for op, count in stack.counts.items() if op not in QUIET)
        yield LocalityRow(name, len(group), dict(sorted(states.items())), changed, len(codes), len(codes - wanting))


def _systems(touched: dict[str, int], wanting: dict[str, str], city: City) -> Iterable[SystemRow]:
    """Yield systems by name; a gate's reason begins with the system's id."""
    found: dict[str, list[str]] = defaultdict(list)
    for code, reason in sorted(wanting.items()):
        for system in {part.partition(":")[0].strip() for part in reason.split("; ")} & set(city.systems):
            found[system].append(code)
    for name in sorted({*touched, *found}):
        yield SystemRow(name, touched.get(name, 0), tuple(found.get(name, ())))


def _failures(stacks: Iterable[StackStory], city: City) -> list[Group]:
    normalisers = Normalisers(city)
    groups: dict[tuple[str, str], list[StackStory]] = defaultdict(list)
    for stack in stacks:
        if stack.failure is not None:
            own = normalisers.of(stack.stack)
            groups[own.text(stack.failure.message), own.text(stack.failure.hint)].append(stack)
    found = []
    for (message, hint), group in groups.items():
        alone = group[0].failure if len(group) == 1 else None
        told = (alone.message, alone.hint) if alone else (message, hint)
        found.append(Group(tuple(stack.stack for stack in group), *told))
    return sorted(found, key=lambda group: (-len(group.stacks), group.stacks))


def named(stacks: tuple[str, ...]) -> str:
    """Return stacks for people."""
    more = f" and {len(stacks) - NAMED} more" if len(stacks) > NAMED else ""
    return ", ".join(stacks[:NAMED]) + more


def headline(report: RunReport) -> str:
    """Return one sentence."""
    stacks = sum(row.stacks for row in report.localities)
    asked = sum(row.asked for row in report.localities)
    found = sum(row.open for row in report.localities)
    gates = f", {found} of {asked} units asked are open" if asked else ""
    left = f", {len(report.unfinished)} unfinished" if report.unfinished else ""
    ready = "ready" if report.ready else "not ready"
    return f"{ready}: {report.operation} of {stacks} stacks {report.state}{left}{gates}"


def markdown(report: RunReport) -> str:
    """Return the report as Markdown; a few kilobytes whatever the size of the fleet."""
    states = sorted({state for row in report.localities for state in row.states})
    lines = [f"### donvi report: {text(headline(report))}", ""]
    lines += [
        f"| locality | stacks | {' | '.join(states)} | resources | open |",
        f"|---|--:|{'--:|' * len(states)}--:|--:|",
    ]
    for row in report.localities:
        cells = [str(row.states.get(state, "")) for state in states]
        found = f"{row.open}/{row.asked}" if row.asked else ""
        lines.append(f"| {text(row.name)} | {row.stacks} | {' | '.join(cells)} | {row.changed or ''} | {found} |")
    if report.systems:
        lines += ["", "| system | resources touched | not open in |", "|---|--:|---|"]
        lines += [f"| {text(row.name)} | {row.touched or ''} | {text(named(row.wanting))} |" for row in report.systems]
    if report.failures:
        lines += ["", "**Failed**", ""]
        for group in report.failures[:NAMED]:
            hint = f" *{text(group.hint)}*" if group.hint else ""
            lines.append(f"- {text(named(group.stacks))}: {text(group.message[:600])}{hint}")
        if len(report.failures) > NAMED:
            lines.append(f"- and {len(report.failures) - NAMED} other failures")
    lines += ["", f"<sub>run {report.id}, {report.begun:%Y-%m-%d %H:%M} UTC, {text(report.revision[:12])}</sub>"]
    return "\n".join(lines) + "\n"
