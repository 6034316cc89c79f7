"""``donvi runs [RUN]``: what was run, by whom, and how it went."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from donvi.cli.output import Json, console, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from donvi.fleet.progress import Picture

EPILOG = """
Examples:

`donvi runs` · the last twenty, the newest first

`donvi runs last` · the newest: every stack, what failed, what every gate decided

`donvi runs 4f2a` · the run whose id ends so; the beginning of an id works too

`donvi runs last --json | jq -r '.stacks[] | select(.state == "failed") | .stack'`

A run is a folder of JSON lines beside the state; nothing removes it. A state `elsewhere` is a run that another host
drives or drove: whether it lives can only be seen there.
"""

SHOWN = 20

Query = Annotated[str, typer.Argument(metavar="[RUN]", help="An id, a part of one, or `last`.", show_default=False)]
Number = Annotated[int, typer.Option("--number", "-n", min=1, help="How many runs to list.")]


def runs(query: Query = "", number: Number = SHOWN, as_json: Json = False) -> None:  # noqa: FBT002  # typer's way
    """List the runs of the fleet driver, or show one."""
    found = [_one(query)] if query else _all(number)
    if as_json:
        print_json(found[0] if query else found)
    elif query:
        _render(console(), found[0])
    else:
        from donvi.cli.fleet import summary

        console().print(summary.runs_table(found) if found else "There was no run yet.")


def _one(query: str) -> Picture:
    from donvi.fleet import journal, owners
    from donvi.fleet.places import places
    from donvi.fleet.progress import picture

    where = places(os.environ)
    return picture(journal.read(where.runs / journal.find_run(where, query)), owners.myself(""))


def _all(number: int) -> list[Picture]:
    from donvi.fleet import journal
    from donvi.fleet.places import places

    return [_one(run) for run in journal.run_ids(places(os.environ))[:number]]


def _render(out: Console, seen: Picture) -> None:
    from donvi.cli.fleet import summary

    out.print(f"{seen.id}: donvi {' '.join(seen.arguments)}", style="bold", soft_wrap=True)
    out.print(f"by {seen.owner}" + (f", revision {seen.revision}" if seen.revision else ""), soft_wrap=True)
    out.print()
    out.print(summary.stack_table(seen.stacks))
    summary.render(out, seen)
