"""``donvi verify UNIT``: ask the real systems whether a unit is open."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from donvi.cli.output import Json, console, print_json
from donvi.registry import find_unit, load_city

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from donvi.registry import City
    from donvi.verify import CheckResult, Verdict

EPILOG = """
Examples:

`donvi verify 26506` · every system of the unit, asked as its people would

`donvi verify "vung tau" "sai gon" "thu dau mot"` · several units, and the readiness table

`donvi verify 26506 --junit report.xml` · for CI; with several units a folder

`donvi verify 26506 --json | jq '.[].systems'`

Exit code 0: every unit is open, but for what needs machines that aren't in this lab: such a unit is open partly, and
the table says so. 1: a check failed or could not be judged.
"""

Queries = Annotated[list[str], typer.Argument(metavar="UNIT...", help="Codes, slugs, or names, accents optional.")]
Junit = Annotated[
    Path | None, typer.Option("--junit", help="Write the JUnit report here; with several units a folder.")
]


def verify(queries: Queries, junit: Junit = None, as_json: Json = False) -> None:  # noqa: FBT002  # typer's way
    """Ask the real systems whether a unit is open: logins, mail, certificates, names, services."""
    city = load_city()
    codes = list(dict.fromkeys(find_unit(city, query).code for query in queries))
    out = console()
    verdicts = [_verify(out, city, code, _report(junit, code, several=len(codes) > 1), quiet=as_json) for code in codes]
    if as_json:
        print_json(verdicts)
    else:
        _render(out, verdicts)
    if not all(verdict.sound for verdict in verdicts):
        raise typer.Exit(1)


def _report(junit: Path | None, code: str, *, several: bool) -> Path | None:
    return junit / f"{code}.xml" if junit and several else junit


def _verify(out: Console, city: City, code: str, junit: Path | None, *, quiet: bool) -> Verdict:
    from donvi.verify import verify as ask  # the command line itself needs none of it

    with _progress(out, f"{code} {city.units[code].name}", quiet=quiet) as tell:
        return ask(code, junit=junit, on_check=tell)


@contextmanager
def _progress(out: Console, unit: str, *, quiet: bool) -> Iterator[Callable[[CheckResult], None] | None]:
    """Show what is being asked while it is asked; nothing where nobody looks."""
    if quiet or not sys.stdout.isatty():
        yield None
        return
    done = 0
    with out.status(f"{unit}: asking …") as status:

        def tell(check: CheckResult) -> None:
            nonlocal done
            done += 1
            status.update(f"{unit}: {done} checks · {check.system}: {check.title}")

        yield tell


def _render(out: Console, verdicts: Sequence[Verdict]) -> None:
    from donvi.verify import matrix  # rich isn't needed for --json

    for line in matrix.finding_lines(verdicts):
        out.print(line)
    table = matrix.unit_table(verdicts[0]) if len(verdicts) == 1 else matrix.readiness_table(verdicts)
    out.print(table)
    for line in matrix.legend(verdicts):
        out.print(line)
    for verdict in verdicts:
        total = sum(verdict.count(outcome) for outcome in matrix.ASKED)
        state = matrix.word(verdict.outcome)
        out.print(f"{verdict.unit}: ", state, f", {total} checks in {verdict.seconds:.1f} s", sep="")
