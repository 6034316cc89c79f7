"""``donvi retention list``: what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from donvi.cli.output import Json, console, print_json
from donvi.cli.retention.kept import (
    DAYS_HELP,
    LONGEST_DAYS,
    KeptThing,
    Unit,
    before,
    counted,
    opened,
    services,
    table,
    thing,
    unit_code,
)
from donvi.registry import load_city

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

EPILOG = """
A token of the role preview is enough. `up` of the unit's stack brings back what is still kept.

Examples:

`donvi retention list` · everything, the oldest first

`donvi retention list --older-than 365 --unit "vung tau"` · what `purge` with the same options would remove

`donvi retention list --json | jq -r '.[].name'`
"""

OlderThan = Annotated[int, typer.Option("--older-than", metavar="DAYS", min=0, max=LONGEST_DAYS, help=DAYS_HELP)]


def list_(older_than: OlderThan = 0, unit: Unit = "", as_json: Json = False) -> None:  # noqa: FBT002  # typer's way
    """Show the accounts and mailboxes that are kept for units that gave them up."""
    found = _find(older_than, unit)
    if as_json:
        print_json(found)
    else:
        _render(console(), found)


def _find(days: int, unit: str) -> list[KeptThing]:
    from donvi.backends.retention import find_kept

    city = load_city()
    code = unit_code(city, unit)
    with services() as made, opened(made, "backends/directory/read", "preview") as directory:
        now = made.clock()
        limit = before(now, days) if days else None
        return [thing(one, now) for one in find_kept(directory, city.settings.directory_base, before=limit, unit=code)]


def _render(out: Console, found: Sequence[KeptThing]) -> None:
    if not found:
        out.print("Nothing is kept.")
        return
    out.print(table(found))
    out.print(counted(found))
