"""``donvi retention purge --older-than DAYS``: the end of what is kept."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from donvi.cli.output import Json, console, print_json
from donvi.cli.retention.kept import (
    LONGEST_DAYS,
    KeptThing,
    Unit,
    before,
    counted,
    needs,
    opened,
    secret,
    services,
    table,
    thing,
    unit_code,
)
from donvi.errors import UsageError
from donvi.registry import load_city

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rich.console import Console

    from donvi.backends.mail import Doveadm
    from donvi.backends.retention import Kept
    from donvi.provider.services import Services

EPILOG = """
Nothing brings back what this removes: accounts with their identity, mailboxes with all their mail. A person who returns
later gets a new account. On the mail server an empty INBOX stays, with the names of the folders that were.

Needs a token of the role administrator: `eval "$(uv run donvi lab env --role administrator)"`. It works with an account
that can delete below `ou=retained` and change nothing else. Interrupted, it goes on where it was.

Examples:

`donvi retention purge --older-than 365` · on a terminal; shows what goes and has you type how many things that are

`donvi retention purge --older-than 365 --unit 26506 --confirm 12` · elsewhere; 12 is what `donvi retention list` with
the same options counted

Exit code 2: it wasn't confirmed, or another number of things would go; nothing was removed.
"""

ADMINISTRATOR = "administrator"
LONGEST_COMMAND_SECONDS = 300.0

OlderThan = Annotated[
    int,
    typer.Option(
        "--older-than",
        metavar="DAYS",
        min=0,
        max=LONGEST_DAYS,
        help="What has been kept for longer than so many days.",
    ),
]
Confirm = Annotated[
    int | None,
    typer.Option("--confirm", metavar="N", min=0, help="How many things are to go, instead of typing it."),
]


class Purged(Struct, frozen=True):
    """What was done."""

    before: datetime  # what was given up before this moment was to go
    removed: tuple[KeptThing, ...]
    taken_back: tuple[KeptThing, ...]  # by its unit while this ran; left alone


def purge(
    older_than: OlderThan,
    unit: Unit = "",
    confirm: Confirm = None,
    as_json: Json = False,  # noqa: FBT002  # typer's way of declaring a flag
) -> None:
    """Remove for good what has been kept for long: accounts, and mailboxes with their mail."""
    city = load_city()
    code = unit_code(city, unit)
    with services() as made:
        done = _purge(made, city.settings.directory_base, older_than, code, confirm)
    if as_json:
        print_json(done)
    else:
        _render(console(), done)


def _purge(made: Services, base: str, days: int, unit: str, confirm: int | None) -> Purged:
    from donvi.backends import retention

    now = made.clock()
    limit = before(now, days)
    removed: list[KeptThing] = []
    taken_back: list[KeptThing] = []
    with opened(made, "backends/directory/retention", ADMINISTRATOR) as directory:
        chosen = retention.find_kept(directory, base, before=limit, unit=unit)
        if chosen:
            _require_count([thing(one, now) for one in chosen], confirm)
            with _mail(made) as doveadm:
                for number, (one, gone) in enumerate(retention.purge(directory, doveadm, chosen), start=1):
                    (removed if gone else taken_back).append(thing(one, now))
                    _tell(one, number, len(chosen), gone=gone)
    return Purged(limit, tuple(removed), tuple(taken_back))


def _require_count(things: Sequence[KeptThing], confirm: int | None) -> None:
    """Let only somebody go on who says how many things will be removed."""
    number = len(things)
    if confirm is None:
        if not sys.stdin.isatty():
            raise UsageError(
                f"{number} things would be removed for good and nobody confirmed it; nothing was removed",
                hint=f"look at `donvi retention list` with the same options, then say --confirm {number}",
            )
        _show(things)
        confirm = typer.prompt("Type how many things to remove for good", type=int, err=True)
    if confirm != number:
        raise UsageError(
            f"{number} things would be removed, not {confirm}; nothing was removed",
            hint="look at `donvi retention list` with the same options",
        )


def _show(things: Sequence[KeptThing]) -> None:
    from rich.console import Console

    out = Console(stderr=True, highlight=False, emoji=False, markup=False)
    out.print(table(things))
    out.print(counted(things))


@contextmanager
def _mail(made: Services) -> Iterator[Doveadm]:
    import urllib3

    from donvi.backends.mail import Doveadm

    with needs(ADMINISTRATOR):
        key = secret(made, "backends/mail/doveadm")["api_key"]
    patience = urllib3.Timeout(connect=3.0, read=LONGEST_COMMAND_SECONDS)  # a mailbox may be large
    doveadm = Doveadm(made.deployment.mail.doveadm, key, made.ca_file, timeout=patience)
    try:
        yield doveadm
    finally:
        doveadm.close()


def _tell(one: Kept, number: int, total: int, *, gone: bool) -> None:
    what = "removed" if gone else "taken back meanwhile, left alone"
    sys.stderr.write(f"{number}/{total} {one.kind} {one.name} of unit {one.unit}: {what}\n")
    sys.stderr.flush()


def _render(out: Console, done: Purged) -> None:
    if not done.removed and not done.taken_back:
        out.print("Nothing has been kept for that long; nothing was removed.")
        return
    out.print(f"Removed for good {counted(done.removed)}")
    if done.taken_back:
        out.print(f"Left alone {counted(done.taken_back)}")
