"""The end of a verb on stacks: its summary or its JSON, and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from donvi.cli.output import console, print_json

if TYPE_CHECKING:
    from donvi.cli.fleet.session import Outcome
    from donvi.fleet.affected import Affected

FEW = 5
"""Affected stacks of which each is explained."""


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
    """Return what a difference to a revision says: why stacks are touched, how many aren't, which are gone."""
    if outcome.affected is None:
        return []
    lines = [f"{len(outcome.affected.unaffected)} unaffected, proved by: {outcome.affected.proof}"]
    return [*touched(outcome.affected), *lines, *gone(outcome.affected)]


def touched(affected: Affected) -> list[str]:
    """Return why each stack is affected, where they are few enough to be read."""
    if len(affected.stacks) > FEW:
        return []
    return [f"{stack}: {'; '.join(why)}" for stack, why in affected.stacks.items()]


def gone(affected: Affected) -> list[str]:
    """Return the line about units that left the data."""
    stacks = ", ".join(affected.gone)
    return [f"no longer in the city, destroy them from the revision that has them: {stacks}"] if stacks else []
