"""The end of a verb on stacks: its summary or its JSON, and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from donvi.cli.output import console, print_json

if TYPE_CHECKING:
    from donvi.cli.fleet.session import Outcome


def finish(outcome: Outcome, *, as_json: bool) -> None:
    """Print what a command came to and exit with its code; no run is nothing to do.

    :raises Exit: the code isn't 0.
    """
    if as_json:
        print_json(outcome.seen)
    elif outcome.seen is None:
        console().print("Nothing to do: no stack matches.")
    else:
        from donvi.cli.fleet import summary

        summary.render(console(), outcome.seen)
    if not as_json:
        for line in beside(outcome):
            console().print(line, soft_wrap=True)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


def beside(outcome: Outcome) -> list[str]:
    """Return what a difference to a revision says of stacks that were not run."""
    if outcome.affected is None:
        return []
    lines = [f"{len(outcome.affected.unaffected)} unaffected, proved by: {outcome.affected.proof}"]
    gone = outcome.affected.gone
    return [*lines, f"no longer in the city, destroy them from the old revision: {', '.join(gone)}"] if gone else lines
