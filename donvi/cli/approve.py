"""``donvi approve FILE CLASS…``: say yes to previews, by class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from donvi.cli.output import Json, console, print_json

if TYPE_CHECKING:
    from donvi.fleet.approval import Approval

EPILOG = """
Examples:

`donvi preview --all --save seen.json` · look, and keep what was seen

`donvi approve seen.json` · which classes it has, and what was approved

`donvi approve seen.json c691e1e7 1888a2c0` · yes to these two

`donvi up --all --approved seen.json` · apply them; stop at any stack whose preview is another by now
"""

File = Annotated[Path, typer.Argument(metavar="FILE", help="What `donvi preview --save` wrote.")]
Wanted = Annotated[list[str] | None, typer.Argument(metavar="[CLASS]...", help="Beginnings of classes' digests.")]
Everything = Annotated[bool, typer.Option("--all", help="Every class that isn't refused or failed.")]


def approve(
    file: File,
    wanted: Wanted = None,
    everything: Everything = False,  # noqa: FBT002  # typer's way of declaring a flag
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Approve classes of previews; without any, show what the file holds."""
    from donvi.fleet import approval as approvals

    found = approvals.read(file)
    if wanted or everything:
        found = found.approve(wanted or (), everything=everything)
        approvals.write(found, file)
    if as_json:
        print_json(found)
    else:
        _show(found, lines=not wanted and not everything)


def _show(found: Approval, *, lines: bool) -> None:
    out = console()
    out.print(f"previewed {found.made.at:%Y-%m-%d %H:%M} UTC by {found.made.by}, {found.revision or 'no revision'}")
    for one in found.classes:
        yes = f"approved by {one.approved.by}" if one.approved else "not approved"
        state = "refused or failed" if one.refused else yes
        numbers = ", ".join(f"{count} to {verb}" for verb, count in one.counts.items())
        stacks = next(iter(one.stacks)) if len(one.stacks) == 1 else f"{len(one.stacks)} stacks"
        out.print(f"{one.digest[:8]}  {stacks}  {numbers}  {state}", style="bold" if one.approved else "yellow")
        if lines:
            for line in one.lines:
                out.print(f"    {line}", soft_wrap=True)
