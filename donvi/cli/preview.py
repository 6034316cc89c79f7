"""``donvi preview SELECT``: what would change, said once for all stacks in which it is the same."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from donvi.cli.fleet import options as given
from donvi.cli.output import Json, console, print_json
from donvi.fleet.model import Operation
from donvi.fleet.records import Settings, State

if TYPE_CHECKING:
    from donvi.cli.fleet.session import Outcome
    from donvi.fleet.progress import Picture
    from donvi.fleet.telling import PreviewReport

EPILOG = f"""
{given.SELECTING}

Stacks whose previews are the same but for their own names, codes and addresses are shown once: "these 3 changes in 167
units; 1 unit differs, here is how". A token of the role `preview` is enough.

Examples:

`donvi preview "vung tau"` · one unit

`donvi preview --changed-since HEAD` · what the edited files touch, before they are committed

`donvi preview --changed-since origin/main --markdown --detailed-exitcode` · the comment of a merge request

`donvi preview --all --save seen.json` · then `donvi approve seen.json CLASS`, `donvi up --all --approved seen.json`

`donvi preview --all --shard 2/4` · the second of four jobs

{given.EXITS} With `--detailed-exitcode`, 3: something would change.
"""

Detailed = Annotated[bool, typer.Option("--detailed-exitcode", help="Exit with 3 when something would change.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the comment of a merge request.")]
Full = Annotated[bool, typer.Option("--full", help="Print everything, however many lines it has.")]
Save = Annotated[
    Path | None,
    typer.Option(
        "--save", metavar="FILE", help="Write what was seen, to approve it: `donvi approve`.", show_default=False
    ),
]
AnyFailures = Annotated[
    str, typer.Option("--max-failures", metavar="N|any", help="More failed previews than that end the run.")
]


CHANGED = 3
"""Exit code of a preview that would change something, where that was asked for."""


class Previewed(msgspec.Struct, frozen=True):
    """What ``--json`` prints: the run, and its previews by class."""

    run: Picture | None
    report: PreviewReport | None


def preview(
    *,
    units: given.Units = None,
    everything: given.All = False,
    localities: given.Localities = None,
    wave_numbers: given.WaveNumbers = None,
    systems: given.Systems = None,
    changed_since: given.ChangedSince = "",
    failed: given.Failed = False,
    shard: given.ShardText = "",
    platform: given.Platform = None,
    parallel: given.Parallel = given.PARALLEL,
    scheduler: given.Scheduler = "",
    max_failures: AnyFailures = "any",
    refresh: given.Refresh = False,
    policy: given.Policy = True,
    receipts: given.Receipts = True,
    detailed: Detailed = False,
    markdown: Markdown = False,
    full: Full = False,
    save: Save = None,
    as_json: Json = False,
) -> None:
    """Say what would change, collapsed into classes; nothing is changed."""
    asked = given.selection(
        units,
        everything=everything,
        localities=localities,
        waves=wave_numbers,
        systems=systems,
        changed_since=changed_since,
        failed=failed,
        shard=shard,
        platform=platform,
    )
    settings = Settings(
        parallel=parallel,
        scheduler=scheduler,
        max_failures=given.failures(max_failures),
        refresh=refresh,
        policy=policy,
        receipts=receipts,
        gates=False,
    )
    from donvi.cli.fleet import session  # --help needs none of it

    outcome = session.begin(Operation.PREVIEW, asked, settings, session.Wish(quiet=as_json))
    report = _report(outcome)
    if save is not None:
        from donvi.fleet.approval import approval_of, write

        write(approval_of(report), save)
    if as_json:
        print_json(Previewed(outcome.seen, report))
    else:
        _render(outcome, report, markdown=markdown, full=full)
    code = outcome.exit_code
    if code == 0 and detailed and any(one.changes for one in report.classes.changing):
        code = CHANGED
    if code:
        raise typer.Exit(code)


def _report(outcome: Outcome) -> PreviewReport:
    from donvi.fleet.classes import classify
    from donvi.fleet.telling import PreviewReport

    seen, affected = outcome.seen, outcome.affected
    stacks = seen.stacks if seen else ()
    revision = seen.revision if seen else ""
    told = " ".join(argument for argument in (seen.arguments if seen else ()) if argument != "--markdown")
    return PreviewReport(
        classes=classify(outcome.results, outcome.city),
        names={stack.stack: stack.name for stack in stacks if stack.name},
        unaffected=len(affected.unaffected) if affected else 0,
        proof=affected.proof if affected else "",
        receipts=seen.tally[State.SKIPPED] if seen else 0,
        revision=revision[:12] + ("+" if revision.endswith("+") else ""),
        since=affected.since[:12] if affected else "",
        whole=f"donvi {told} --full",
        seconds=round((seen.ended - seen.begun).total_seconds(), 1) if seen and seen.ended else 0.0,
    )


def _render(outcome: Outcome, report: PreviewReport, *, markdown: bool, full: bool) -> None:
    if markdown:
        from donvi.fleet.markdown import markdown as comment

        sys.stdout.write(comment(report))
        return
    from donvi.cli.fleet import summary
    from donvi.cli.fleet.report import gone, touched
    from donvi.fleet.screen import HEIGHT, screen

    out = console()
    out.print(screen(report, height=None if full else HEIGHT, width=out.width))
    if outcome.affected is not None:
        for line in (*touched(outcome.affected), *gone(outcome.affected)):
            out.print(line, style="dim", soft_wrap=True)
    if outcome.seen is None:
        return
    out.print()
    out.print(summary.closing(outcome.seen), style="dim", soft_wrap=True)
