"""What both verbs share: the servers, the options, the model of what is kept, its table."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from donvi.errors import PermissionDeniedError, UsageError
from donvi.registry import find_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.table import Table

    from donvi.backends.directory import Directory
    from donvi.backends.retention import Kept
    from donvi.provider.services import Services
    from donvi.registry import City

CODE_LENGTH = 5
LONGEST_DAYS = 36_500

Unit = Annotated[str, typer.Option("--unit", metavar="UNIT", help="Only what this unit gave up: code, slug, or name.")]
DAYS_HELP = "Only what has been kept for longer than so many days."


class KeptThing(Struct, frozen=True):
    """An account or a mailbox that is kept."""

    kind: str  # account | mailbox
    name: str  # employee id, or address
    label: str
    unit: str  # code of the unit that gave it up
    since: datetime
    days: int  # complete days since then
    dn: str


def thing(one: Kept, now: datetime) -> KeptThing:
    """Return what is printed of something kept."""
    return KeptThing(one.kind, one.name, one.label, one.unit, one.since, (now - one.since).days, one.dn)


def unit_code(city: City, query: str) -> str:
    """Return the code that a query means; a code need not be in use any more: its unit may have been merged.

    :raises UsageError: nothing or several units match.
    """
    text = query.strip()
    if not text or (text.isascii() and text.isdigit() and len(text) == CODE_LENGTH):
        return text
    return find_unit(city, text).code


def before(now: datetime, days: int) -> datetime:
    """Return the moment before which something was given up that has been kept for longer than ``days``."""
    return now - timedelta(days=days)


@contextmanager
def services() -> Iterator[Services]:
    """The city's servers, as whoever started the command."""
    from donvi.deployment import parse, text_from_environment
    from donvi.provider.services import Services as Made

    made = Made(parse(text_from_environment(os.environ)), os.environ)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def opened(made: Services, path: str, role: str) -> Iterator[Directory]:
    """The directory, bound as the account whose credentials lie at a KV path; ``role`` is whose token reads it."""
    from donvi.backends.directory import Directory

    with needs(role):
        login = secret(made, path)
    with Directory(made.deployment.directory.url, login["bind_dn"], login["password"], made.ca_file) as directory:
        yield directory


@contextmanager
def needs(role: str) -> Iterator[None]:
    """Say which role's token is needed when Vault refuses.

    :raises PermissionDeniedError: it refused.
    """
    try:
        yield
    except PermissionDeniedError as error:
        raise PermissionDeniedError(
            f"this Vault token may not do that: {error.message}",
            hint=f'take a token of the role {role}: `eval "$(uv run donvi lab env --role {role})"`',
        ) from None


def secret(made: Services, path: str) -> Mapping[str, str]:
    """Return a credential.

    :raises UsageError: Vault has none there.
    """
    found = made.vault.kv_read(path)
    if found is None:
        raise UsageError(f"Vault holds nothing at kv/{path}", hint="run `make up`")
    return {name: str(value) for name, value in found.items()}


def table(things: Sequence[KeptThing]) -> Table:
    """Return the table of what is kept, the oldest first."""
    from rich.table import Table as Made

    made = Made(box=None, pad_edge=False)
    for heading in ("since", "days", "unit", "kind", "id or address", "name"):
        made.add_column(heading, justify="right" if heading == "days" else "left", overflow="fold")
    for one in sorted(things, key=lambda one: one.since):
        since = one.since.astimezone().strftime("%Y-%m-%d")
        made.add_row(since, str(one.days), one.unit, one.kind, one.name, one.label)
    return made


def counted(things: Sequence[KeptThing]) -> str:
    """Return how many there are, in words."""
    accounts = sum(one.kind == "account" for one in things)
    return f"{len(things)}: accounts {accounts}, mailboxes {len(things) - accounts}"
