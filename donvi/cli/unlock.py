"""``donvi unlock STACK``: heal the lock that a dead run left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from donvi.cli.output import Json, console, print_json
from donvi.registry import find_unit, load_city
from donvi.tenancy import names

if TYPE_CHECKING:
    from rich.console import Console

EPILOG = """
Examples:

`donvi unlock 26506-vung-tau` · after `kill -9` or a power cut, then `pulumi up --refresh -s 26506-vung-tau`

`donvi unlock platform --json`

A lock goes only with proof that its owner is dead: this host, and no such process since the lock was made. Otherwise
exit code 7 says who holds it.
"""

PROJECT = "donvi"
PLATFORM = "platform"

Stack = Annotated[
    str, typer.Argument(metavar="STACK", help="`platform`, a unit's stack, or a unit as you would say it.")
]


class Healed(msgspec.Struct, frozen=True):
    """What was done for one stack."""

    stack: str
    locks: tuple[str, ...]  # owner and proof of each lock that was removed
    mended: tuple[str, ...]  # half-written files beside the state that were removed
    pending: tuple[str, ...]  # URNs whose creation was under way and which the next `up` finishes


def unlock(query: Stack, as_json: Json = False) -> None:  # noqa: FBT002  # typer's way
    """Remove a stack's lock if its owner is certainly dead, so that `pulumi up --refresh` can finish."""
    healed = _unlock(_stack(query))
    if as_json:
        print_json(healed)
    else:
        _render(console(), healed)


def _stack(query: str) -> str:
    city = load_city()
    if query == PLATFORM:
        return query
    code = query.partition("-")[0]
    unit = city.units.get(code) or find_unit(city, query)
    return names.stack(city.allotments[unit.code])


def _unlock(stack: str) -> Healed:
    from donvi.fleet import checkpoints, locks, pending

    removed = locks.heal(os.environ, PROJECT, stack)
    mended = checkpoints.mend(locks.backend_folder(os.environ), PROJECT, stack)
    struck = pending.strike(os.environ, PROJECT, stack)
    proofs = tuple(f"{held}: {proof}" for held, proof in removed)
    return Healed(stack, proofs, tuple(path.name for path in mended), tuple(struck))


def _render(out: Console, healed: Healed) -> None:
    for line in healed.locks:
        out.print(f"removed the lock of {line}")
    for name in healed.mended:
        out.print(f"removed a half-written file: {name}")
    for urn in healed.pending:
        out.print(f"was being created: {urn.rpartition('::')[2]}")
    if healed.locks or healed.mended or healed.pending:
        out.print(f"now run: pulumi up --refresh -s {healed.stack}")
    else:
        out.print(f"stack {healed.stack} isn't locked")
