"""``donvi show UNIT``: everything a unit has, as the tenancy says it."""

from __future__ import annotations

from typing import Annotated

import typer

from donvi.cli.output import Json, console, print_json
from donvi.registry import find_unit, load_city
from donvi.tenancy import describe

EPILOG = """
Examples:

`donvi show 26506` · by code

`donvi show "vung tau"` · by name, accents may be left out

`donvi show vung-tau --json | jq '.certificates'`
"""

Query = Annotated[str, typer.Argument(metavar="UNIT", help="Code, slug, or name with or without accents.")]


def show(query: Query, as_json: Json = False) -> None:  # noqa: FBT002  # typer's way of declaring a flag
    """Show what a unit has: who can do what and why, mailboxes, certificates, addresses, flows, applications."""
    city = load_city()
    tenancy = describe(city, find_unit(city, query).code)
    if as_json:
        print_json(tenancy)
    else:
        from donvi.cli.unit_page import page  # rich isn't needed for --json

        page(console(), tenancy)
