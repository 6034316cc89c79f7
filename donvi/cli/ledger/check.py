"""``donvi ledger check``: whether the ledger is whole and fits the units."""

from __future__ import annotations

from msgspec import Struct

from donvi.cli.ledger.source import read_source
from donvi.cli.output import Json, console, print_json
from donvi.errors import DataError
from donvi.registry.files import shown

EPILOG = """
Example:

`donvi ledger check` · before a commit; exit code 2 names the row and column that is wrong
"""


class Verdict(Struct, frozen=True, kw_only=True):
    """What ``--json`` prints."""

    lines: int
    units: int
    retired: int
    abandoned: tuple[str, ...]  # numbers in force whose unit is gone from units.csv


def check(as_json: Json = False) -> None:  # noqa: FBT002  # typer's way of declaring a flag
    """Verify the ledger: chain of digests, no overlap, inside the pools, nothing given twice, no unit without."""
    source = read_source()
    if source.missing:
        message = f"{len(source.missing)} units have no numbers, first {source.missing[0]}"
        raise DataError(message, file=shown(source.path), hint="run `donvi ledger allocate`")
    verdict = Verdict(
        lines=len(source.lines),
        units=len(source.units),
        retired=sum(line.event == "retire" for line in source.lines),
        abandoned=tuple(source.abandoned),
    )
    if as_json:
        print_json(verdict)
    else:
        _render(verdict)


def _render(verdict: Verdict) -> None:
    out = console()
    out.print(f"The ledger is whole: {verdict.lines} lines, {verdict.units} units, {verdict.retired} retired.")
    for code in verdict.abandoned:
        out.print(f"Unit {code} has numbers and is not in units.csv: `donvi ledger allocate --retire {code}`")
