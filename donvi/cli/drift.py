"""``donvi drift SELECT``: what of many stacks isn't as declared, by reading the real systems in bulk."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from donvi.cli.fleet import options
from donvi.cli.output import Json, console, print_json
from donvi.registry import load_city

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from donvi.fleet.drift.groups import Group
    from donvi.fleet.drift.model import Report
    from donvi.registry import City

EPILOG = """
Examples:

`donvi drift --all` · the whole city, the same drift of many units said once

`donvi drift 26506 platform --no-machines` · two stacks, without logging in to machines

`donvi drift --all --markdown` · for an issue or a merge request

`donvi drift --all --json | jq -r '.groups[] | select(.rule == "") | .stacks[]'`

Exit code 0: looked, whatever was found. With `--detailed-exitcode` 3: something drifted that no rule of
`city/drift-rules.yaml` explains. 5: something couldn't be read, so there is no verdict. 2: wrong usage.
"""

Detailed = Annotated[bool, typer.Option("--detailed-exitcode", help="End with 3 if something drifted.")]
Machines = Annotated[
    bool,
    typer.Option("--machines/--no-machines", help="Also have Ansible check the machines, which takes seconds."),
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, bounded in size.")]
DRIFT, INCONCLUSIVE = 3, 5


class Seen(msgspec.Struct, frozen=True):
    """What ``--json`` prints."""

    outcome: str
    report: Report
    groups: tuple[Group, ...]


def drift(
    units: options.Units = None,
    *,
    everything: options.All = False,
    localities: options.Localities = None,
    waves: options.WaveNumbers = None,
    systems: options.Systems = None,
    shard: options.ShardText = "",
    platform: options.Platform = None,
    machines: Machines = True,
    detailed: Detailed = False,
    markdown: Markdown = False,
    as_json: Json = False,
) -> None:
    """Compare what stacks declare with what really exists; changes nothing, runs no program."""
    from donvi.fleet.drift import page
    from donvi.fleet.drift.groups import grouped
    from donvi.fleet.normalise import Normalisers

    city = load_city()
    wanted = options.selection(
        units,
        everything=everything,
        localities=localities,
        waves=waves,
        systems=systems,
        shard=shard,
        platform=platform,
    )
    report = _look(city, wanted, machines=machines, quiet=as_json or markdown)
    groups = grouped(report.findings, Normalisers(city).of)
    if as_json:
        print_json(Seen(report.outcome, report, groups))
    elif markdown:
        sys.stdout.write(page.markdown(report, groups))
    else:
        out = console()
        for line in page.lines(report, groups):
            out.print(line, soft_wrap=True)
    _end(report, detailed=detailed)


def _look(city: City, wanted: Any, *, machines: bool, quiet: bool) -> Report:
    from donvi.errors import UsageError
    from donvi.fleet.drift.look import Looker
    from donvi.fleet.drift.rules import explain
    from donvi.fleet.drift.state import State
    from donvi.fleet.select import choose
    from donvi.registry.city import city_folder
    from donvi.registry.drift_rules import FILE, read_drift_rules

    rules = read_drift_rules(city_folder(None) / FILE)
    chosen = [target.stack for target in choose(city, wanted)]
    exist = set(State(os.environ).stacks())
    if missing := [stack for stack in chosen if stack not in exist and not wanted.has_criteria]:
        raise UsageError(f"there is no stack {', '.join(missing)}", hint=f"`pulumi up -s {missing[0]}` makes it")
    stacks = [stack for stack in chosen if stack in exist]
    if not stacks:
        raise UsageError("none of the selected stacks exists", hint="`donvi up` makes them")
    with _progress(quiet=quiet) as tell:
        looker = Looker(os.environ, machines=machines)
        report = looker.look(stacks, tell)
    if left := len(chosen) - len(stacks):
        notice = f"{left} selected stacks don't exist yet"
        report = msgspec.structs.replace(report, notices=(*report.notices, notice))
    return explain(report, rules, looker.today())


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show what is being done; nothing where nobody looks."""
    if quiet or not sys.stdout.isatty():
        yield lambda _: None
        return
    with console().status("looking …") as status:
        yield lambda phase: status.update(f"{phase} …")


def _end(report: Report, *, detailed: bool) -> None:
    from donvi.fleet.drift.model import Outcome

    if report.outcome is Outcome.INCONCLUSIVE:
        raise typer.Exit(INCONCLUSIVE)
    if report.outcome is Outcome.DRIFT and detailed:
        raise typer.Exit(DRIFT)
