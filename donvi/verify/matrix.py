"""The readiness matrix: units × systems, what leadership looks at; pure renderers for Rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from donvi.tenancy.presence import NOT_HERE
from donvi.verify.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from donvi.verify.model import SystemVerdict, Verdict

WORDS = {
    Outcome.PASSED: ("open", "green"),
    Outcome.FAILED: ("failed", "bold red"),
    Outcome.INCONCLUSIVE: ("inconclusive", "yellow"),
    Outcome.SKIPPED: ("skipped", "dim"),
    Outcome.ABSENT: (NOT_HERE, "dim"),
    Outcome.PARTLY: ("partly", "cyan"),
}
ABSENT = "–"
ASKED = (Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE)


def word(outcome: Outcome) -> Text:
    """Return the word that people read for an outcome, coloured."""
    text, style = WORDS[outcome]
    return Text(text, style=style)


def readiness_table(verdicts: Iterable[Verdict], *, title: str = "Readiness") -> Table:
    """Return the table units × systems; a unit that isn't a tenant of a system shows a dash there.

    What needs machines that aren't in this lab is never open: such a system is open partly, or not in this lab at all.
    Units come in the order of ``verdicts``, systems in alphabetical order.
    """
    rows = list(verdicts)
    systems = sorted({system.system for verdict in rows for system in verdict.systems})
    table = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("unit")
    for system in systems:
        table.add_column(system, justify="center", no_wrap=True)
    for verdict in rows:
        cells = {system.system: word(system.outcome) for system in verdict.systems}
        table.add_row(
            f"{verdict.unit} {verdict.name}".rstrip(), *(cells.get(system, Text(ABSENT)) for system in systems)
        )
    return table


def unit_table(verdict: Verdict) -> Table:
    """Return the table system × verdict of one unit, with how many checks stand behind each cell."""
    table = Table(title=f"{verdict.unit} {verdict.name}".rstrip(), title_justify="left", header_style="bold")
    table.add_column("system", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("checks", justify="right", no_wrap=True)
    for system in verdict.systems:
        table.add_row(system.system, word(system.outcome), _tally(system))
    return table


def legend(verdicts: Sequence[Verdict]) -> list[Text]:
    """Return what the words of a table mean that don't speak for themselves."""
    if not any(verdict.count(Outcome.ABSENT) for verdict in verdicts):
        return []
    said = f"partly: all that can be asked is true; the rest would be asked from machines that are {NOT_HERE}"
    return [Text(said, style="dim")]


def finding_lines(verdicts: Sequence[Verdict]) -> list[Text]:
    """Return a line for every reason why a check isn't true: what should be true, and what was seen instead."""
    lines = []
    for verdict in verdicts:
        for check, same in verdict.reasons():
            line = Text.assemble(f"{check.unit} {check.system}: ", word(check.outcome), f": {check.title}")
            line.append(f" (and {same - 1} more)" if same > 1 else "")
            lines.append(line.append(f"\n    {check.message}", style="dim"))
    return lines


def _tally(system: SystemVerdict) -> str:
    asked = system.passed + system.failed + system.inconclusive
    besides = {"skipped": system.skipped, NOT_HERE: system.absent}
    said = ", ".join(f"{number} {word}" for word, number in besides.items() if number)
    return f"{system.passed}/{asked}" + (f" ({said})" if said else "")
