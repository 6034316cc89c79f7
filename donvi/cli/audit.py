"""``donvi audit``: preview some of the stacks that were skipped, and see whether that was right."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from donvi.cli.output import Json, console, print_json

if TYPE_CHECKING:
    from donvi.registry import City

EPILOG = """
Examples:

`donvi audit` · five of the stacks that their receipts let a run skip

`donvi audit --sample 20 --seed 7` · twenty, the same ones as last time

`donvi audit --changed-since origin/main --sample 3` · three of those that the difference can't touch

Exit code 0: none of them would change, or none was skipped. 1: one would change, or can't be previewed: a proof was
wrong, or, with `--changed-since`, that revision was never applied to the stack. The role
`preview` is enough.
"""

Sample = Annotated[int, typer.Option("--sample", metavar="N", min=1, help="How many stacks to look at.")]
Since = Annotated[
    str,
    typer.Option(
        "--changed-since",
        metavar="REV",
        help="Look at stacks that the difference to this git revision can't touch, instead of those with receipts.",
        show_default=False,
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Choose as the run that printed this number.")]
Parallel = Annotated[int, typer.Option("--parallel", metavar="N", min=1, max=64, help="Stacks at once.")]


class Audited(msgspec.Struct, frozen=True):
    """What an audit found.

    :param skipped: how many stacks a run may skip; :param looked: those that were previewed.
    :param wrong: stack to what would change, or what went wrong.
    """

    by: str
    seed: int
    skipped: int
    looked: tuple[str, ...]
    wrong: dict[str, str]


def audit(
    sample: Sample = 5,
    changed_since: Since = "",
    seed: Seed = None,
    parallel: Parallel = 2,
    as_json: Json = False,  # noqa: FBT002  # typer's way of declaring a flag
) -> None:
    """Preview stacks that runs skip, at random, and fail if one of them would have changed."""
    from donvi.registry import load_city

    city = load_city()
    skipped, by = _unaffected(city, changed_since) if changed_since else (_receipted(city), "receipt")
    number = random.randrange(2**31) if seed is None else seed  # noqa: S311 - which stacks are looked at is no secret
    looked = tuple(sorted(random.Random(number).sample(skipped, min(sample, len(skipped)))))  # noqa: S311
    wrong = _previewed(looked, parallel=parallel, quiet=as_json) if looked else {}
    found = Audited(by, number, len(skipped), looked, wrong)
    if as_json:
        print_json(found)
    else:
        _render(found)
    if wrong:
        raise typer.Exit(1)


def _unaffected(city: City, revision: str) -> tuple[list[str], str]:
    from donvi.cli.fleet.session import REPOSITORY
    from donvi.fleet.affected import affected

    found = affected(city, REPOSITORY, revision)
    return list(found.unaffected), found.proof


def _receipted(city: City) -> list[str]:
    """Return the stacks whose receipts count now."""
    from donvi.cli.fleet.session import REPOSITORY
    from donvi.fleet.receipts import Receipts
    from donvi.fleet.select import PLATFORM
    from donvi.tenancy import names

    receipts = Receipts(city, REPOSITORY, os.environ)
    stacks = [PLATFORM, *(names.stack(numbers) for numbers in city.allotments.values())]
    return [stack for stack in stacks if receipts.read(stack) is not None and not receipts.doubt(stack)]


def _previewed(stacks: tuple[str, ...], *, parallel: int, quiet: bool) -> dict[str, str]:
    """Preview stacks whatever their receipts say; returns what is wrong with each that isn't unchanged."""
    from donvi.cli.fleet import session
    from donvi.fleet.model import Operation
    from donvi.fleet.records import Settings
    from donvi.fleet.select import Selection

    settings = Settings(parallel=parallel, max_failures=None, receipts=False, gates=False)
    outcome = session.begin(Operation.PREVIEW, Selection(units=stacks), settings, session.Wish(quiet=quiet))
    results = {result.stack: result for result in outcome.results}
    wrong = {}
    for stack in stacks:
        result = results.get(stack)
        if result is None:
            wrong[stack] = "it wasn't previewed"
        elif result.failure is not None:
            wrong[stack] = result.failure.message
        elif result.changed or result.changes:
            told = [f"{change.op} {change.kind} {change.name}" for change in result.changes]
            wrong[stack] = f"would change: {'; '.join(told[:3])}" + (" …" if len(told) > 3 else "")  # noqa: PLR2004
    return wrong


def _render(found: Audited) -> None:
    out = console()
    if not found.looked:
        out.print("No stack is skipped: nothing to audit.")
        return
    out.print(f"skipped by {found.by}: {found.skipped} stacks, looked at {len(found.looked)} (--seed {found.seed})")
    for stack in found.looked:
        told = found.wrong.get(stack)
        out.print(f"  {stack}: {told or 'unchanged'}", style="bold red" if told else "green", soft_wrap=True)
