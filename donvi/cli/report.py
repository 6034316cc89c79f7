"""``donvi report [RUN]``: how a run went, by former locality and by system."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from donvi.cli.output import Json, console, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from donvi.fleet.readiness import RunReport

EPILOG = """
Examples:

`donvi report` · the last run

`donvi report 4f2a --markdown >> "$GITHUB_STEP_SUMMARY"` · the run whose id ends so, for a CI page

`donvi report --json | jq '.localities'`

It reads the journal and asks nobody: exit code 0 whatever came out; what `ready` is says the report. Systems by that
name hold the resources that were touched; the gates' probes say where a system isn't open.
"""

Query = Annotated[str, typer.Argument(metavar="[RUN]", help="An id, a part of one, or `last`.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown.")]


def report(query: Query = "last", markdown: Markdown = False, as_json: Json = False) -> None:  # noqa: FBT002
    """Report a run: readiness by locality and system, failures that are alike together."""
    from donvi.fleet import journal, owners, readiness
    from donvi.fleet.places import places
    from donvi.fleet.progress import picture
    from donvi.registry import load_city

    where = places(os.environ)
    story = journal.read(where.runs / journal.find_run(where, query))
    found = readiness.run_report(picture(story, owners.myself("")), load_city())
    if as_json:
        print_json(found)
    elif markdown:
        sys.stdout.write(readiness.markdown(found))
    else:
        _render(console(), found)


def _render(out: Console, found: RunReport) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from donvi.fleet.readiness import headline, named

    out.print(headline(found), style="bold green" if found.ready else "bold red", soft_wrap=True)
    states = sorted({state for row in found.localities for state in row.states})
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))
    for title in ("locality", "stacks", *states, "resources", "open"):
        table.add_column(title, justify="left" if title == "locality" else "right")
    for row in found.localities:
        cells = [str(row.states.get(state, "")) for state in states]
        asked = f"{row.open}/{row.asked}" if row.asked else ""
        table.add_row(row.name, str(row.stacks), *cells, str(row.changed or ""), asked)
    out.print(table)
    if found.systems:
        systems = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))
        for title in ("system", "resources touched", "not open in"):
            systems.add_column(title, justify="right" if title == "resources touched" else "left")
        for one in found.systems:
            systems.add_row(one.name, str(one.touched or ""), named(one.wanting))
        out.print(systems)
    for group in found.failures:
        out.print(f"{named(group.stacks)}: {group.message}", style="red", soft_wrap=True)
        if group.hint:
            out.print(f"    {group.hint}", style="dim", soft_wrap=True)
    out.print(f"run {found.id}, {found.begun:%Y-%m-%d %H:%M} UTC {found.revision[:12]}", style="dim", soft_wrap=True)
