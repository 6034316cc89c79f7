"""The end of a verb on stacks: its summary or its JSON, and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from donvi.cli.output import console, print_json

if TYPE_CHECKING:
    from donvi.cli.fleet.session import Outcome


def finish(outcome: Outcome | None, *, as_json: bool) -> None:
    """Print what a run came to and exit with its code; no run is nothing to do.

    :raises Exit: the code isn't 0.
    """
    if outcome is None:
        nothing(as_json=as_json)
        return
    if as_json:
        print_json(outcome.seen)
    else:
        from donvi.cli.fleet import summary

        summary.render(console(), outcome.seen)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


def nothing(*, as_json: bool) -> None:
    """Say that no stack was to be run."""
    if as_json:
        print_json(None)
    else:
        console().print("Nothing to do: no stack matches.")
