"""``donvi ledger allocate``: numbers for the units that have none; existing lines never change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from donvi.cli.ledger.source import Source, read_source
from donvi.cli.output import Json, console, print_json
from donvi.errors import UsageError
from donvi.registry.allotment import append_lines, plan, plan_retirement

if TYPE_CHECKING:
    from donvi.registry.ledger import Line

EPILOG = """
Examples:

`donvi ledger allocate --dry-run` · shows the lines it would append

`donvi ledger allocate --retire 26506` · a tombstone: the unit's numbers stay quarantined for good
"""


def allocate(
    retire: Annotated[str | None, typer.Option(help="Retire this code instead, gone from units.csv.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Append numbers for every unit without them: slug, prefixes, VLAN, uid range, identification code."""
    source = read_source()
    new = _plan(source, retire)
    if new and not dry_run:
        append_lines(source.path, source.settings, source.lines, new)
    if as_json:
        print_json(new)
    else:
        _render(new, dry_run=dry_run)


def _plan(source: Source, retire: str | None) -> list[Line]:
    if retire is None:
        return plan(source.settings, source.units, source.lines, source.taken)
    if retire in source.units:
        raise UsageError(f"unit {retire} is still in units.csv", hint="remove its line there first")
    return plan_retirement(source.settings, source.lines, retire)


def _render(new: list[Line], *, dry_run: bool) -> None:
    out = console()
    for line in new:
        numbers = line.allotment
        out.print(f"{line.event} {line.code}" + (f" {numbers.slug} {numbers.ipv4} {numbers.ipv6}" if numbers else ""))
    verb = "would be appended" if dry_run else "appended"
    out.print(f"{len(new)} lines {verb}." if new else "Every unit has its numbers; nothing to do.")
