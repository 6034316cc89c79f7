"""What is said of a run when it is over, or looked at later: a table by locality, what failed and what to do."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from donvi.cli.fleet.board import STYLES, changes
from donvi.fleet.model import Operation
from donvi.fleet.progress import RunState
from donvi.fleet.records import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.table import Table

    from donvi.fleet.progress import Picture, StackStory

NAMED = 10
COLUMNS = (
    State.DONE,
    State.UNCHANGED,
    State.SKIPPED,
    State.FAILED,
    State.INTERRUPTED,
    State.RUNNING,
    State.UNSTARTED,
)


def render(out: Console, seen: Picture) -> None:
    """Print the summary of a run."""
    if len(seen.stacks) > 1:
        out.print(locality_table(seen))
    else:
        for stack in seen.stacks:
            out.print(_one(seen.operation, stack), style=STYLES[stack.state], soft_wrap=True)
    if seen.systems:
        out.print(system_line(seen), soft_wrap=True)
    for line, style in (*failure_lines(seen.stacks), *gate_lines(seen)):
        out.print(line, style=style, soft_wrap=True)
    out.print(closing(seen), style="bold" if seen.state is RunState.DONE else "bold red", soft_wrap=True)
    if (seen.unfinished or seen.state is RunState.HALTED) and seen.state is not RunState.RUNNING:
        out.print(f"go on: donvi resume {seen.id}", soft_wrap=True)


def locality_table(seen: Picture) -> Table:
    """Return how many stacks of each former locality stand where; only states that occur have a column."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Made

    states = [state for state in COLUMNS if seen.tally[state]]
    table = Made(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("")
    for state in states:
        table.add_column(_word(seen.operation, state), justify="right", style=STYLES[state], no_wrap=True)
    groups: dict[str, Counter[State]] = {}
    for stack in seen.stacks:
        groups.setdefault(stack.locality or stack.stack, Counter())[stack.state] += 1
    for name, tally in groups.items():
        table.add_row(name, *(str(tally[state] or "") for state in states))
    if len(groups) > 1:
        table.add_section()
        table.add_row("total", *(str(seen.tally[state]) for state in states), style="bold")
    return table


def system_line(seen: Picture) -> str:
    """Return how many resources were touched on which system."""
    told = ", ".join(f"{system} {count}" for system, count in seen.systems.items())
    return f"{_word(seen.operation, State.DONE)} by system: {told}"


def failure_lines(stacks: Iterable[StackStory]) -> list[tuple[str, str]]:
    """Return a line and its style for each stack that failed, equal reasons together, with the remedy."""
    together: dict[tuple[str, str], list[StackStory]] = {}
    for stack in stacks:
        if stack.failure is not None:
            reason = stack.failure.message.replace(stack.stack, "STACK")
            together.setdefault((reason, stack.failure.hint.replace(stack.stack, "STACK")), []).append(stack)
    lines = []
    for (reason, hint), group in sorted(together.items(), key=lambda pair: -len(pair[1])):
        who = ", ".join(stack.stack for stack in group[:NAMED])
        more = f" and {len(group) - NAMED} more" if len(group) > NAMED else ""
        name = group[0].stack if len(group) == 1 else "STACK"
        lines.append((f"{who}{more}: {reason.replace('STACK', name)}", "red"))
        lines += [(f"    {hint.replace('STACK', name)}", "dim")] if hint else []
    return lines


def gate_lines(seen: Picture) -> list[tuple[str, str]]:
    """Return what every gate decided, and which units it found not open."""
    lines = []
    for gate in seen.gates:
        word = "passed" if gate.passed else "halted the run"
        told = f"gate after wave {gate.wave} {word}: {len(gate.asked)} units asked, {gate.why}"
        lines.append((told, "" if gate.passed else "bold red"))
        lines += [(f"    {one.code}: {one.reason}", "red") for one in gate.unhealthy[:NAMED]]
    return lines


def closing(seen: Picture) -> str:
    """Return the last line: what came out, of how many, how long it took."""
    total = len(seen.stacks)
    touched = sum(
        count for stack in seen.stacks for op, count in stack.counts.items() if op not in {"same", "read", "refresh"}
    )
    would = " would be" if seen.operation is Operation.PREVIEW else ""
    parts = [f"{_word(seen.operation, state)} {count}" for state in COLUMNS if (count := seen.tally[state])]
    told = f"run {seen.id}: {seen.operation.value} of {total} stack{'s' * (total != 1)} {seen.state.value}"
    told += f" in {duration(seen)}; {', '.join(parts)}; {touched} resources{would} changed"
    return told + (f"; {seen.why}" if seen.why else "")


def runs_table(pictures: Sequence[Picture]) -> Table:
    """Return the table of runs, as they are given."""
    from rich.table import Table as Made
    from rich.text import Text

    table = Made(box=None, pad_edge=False, header_style="bold")
    for heading in ("run", "what", "state", "took", "stacks", "unfinished", "wave", "by"):
        table.add_column(heading, justify="right" if heading in {"took", "stacks", "unfinished"} else "left")
    for seen in pictures:
        style = "" if seen.state in {RunState.DONE, RunState.RUNNING} else "red"
        wave = f"{seen.at_wave}/{seen.waves}" if seen.waves else ""
        who = f"{seen.owner.user}@{seen.owner.host}"
        cells = (duration(seen), str(len(seen.stacks)), str(len(seen.unfinished) or ""), wave, who)
        table.add_row(seen.id, seen.operation.value, Text(seen.state.value, style=style), *cells)
    return table


def stack_table(stacks: Iterable[StackStory]) -> Table:
    """Return the table of a run's stacks."""
    from rich.table import Table as Made
    from rich.text import Text

    table = Made(box=None, pad_edge=False, header_style="bold")
    for heading in ("stack", "name", "wave", "state", "took", "changes"):
        table.add_column(heading, justify="right" if heading == "took" else "left")
    for one in stacks:
        took = f"{one.seconds:.1f} s" if one.seconds else ""
        told = changes(one.counts) or one.why
        state = Text(one.state.value, style=STYLES[one.state])
        table.add_row(one.stack, one.name, str(one.wave or ""), state, took, told)
    return table


def duration(seen: Picture) -> str:
    """Return how long a run took, or has taken so far, in words; a resumed run's pauses are counted."""
    spent = round(((seen.ended or datetime.now(UTC)) - seen.begun).total_seconds())
    minutes, rest = divmod(spent, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _word(operation: Operation, state: State) -> str:
    if state is State.DONE:
        return "would change" if operation is Operation.PREVIEW else "changed"
    return state.value


def _one(operation: Operation, stack: StackStory) -> str:
    told = changes(stack.counts)
    text = f"{stack.stack} {stack.name}".rstrip() + f": {_word(operation, stack.state)}"
    return text + (f", {told}" if told else "") + (f" ({stack.why})" if stack.why else "")
