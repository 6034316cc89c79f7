"""Which leases and which locks of the engine belong to a state: files beside it, or tables in its database.

State elsewhere (S3 and its like) has leases on this host only, and locks that nobody here can heal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from donvi.fleet import locks
from donvi.fleet.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from donvi.fleet.leases import Held
    from donvi.fleet.owners import Owner
    from donvi.fleet.places import Places

POSTGRES = ("postgres", "postgresql")


class Leasing(Protocol):
    """The leases of one run, wherever they lie."""

    def take(self, stacks: Iterable[str]) -> tuple[Held, ...]:
        """Take the leases of all stacks or of none; returns those that were taken over from dead owners.

        :raises LockedError: somebody who isn't proven dead holds one.
        """
        ...

    def release(self, stacks: Iterable[str]) -> None:
        """Give up the leases of these stacks, as far as they are still this run's."""
        ...

    def close(self) -> None:
        """Give up everything."""
        ...


def leases_of(environ: Mapping[str, str], where: Places, owner: Owner) -> Leasing:
    """Return the leases of a run on the state that ``PULUMI_BACKEND_URL`` names.

    :raises UnreachableError: the state's database can't be used.
    """
    if not is_postgres(environ):
        return Leases(where.leases, owner)
    from donvi.fleet.postgres import Database, PostgresLeases  # a driver's client, only where there is a server

    return PostgresLeases(Database.of(environ), owner)


def on_lost(leases: Leasing | None, tell: Callable[[], None]) -> None:
    """Have a run told when it can't hold its leases any longer: it must end its engines then, at once."""
    if leases is not None and not isinstance(leases, Leases):
        leases.on_lost = tell  # type: ignore[attr-defined]


def is_postgres(environ: Mapping[str, str]) -> bool:
    """Whether the state lies in Postgres."""
    return urlsplit(environ.get("PULUMI_BACKEND_URL", "")).scheme in POSTGRES


def is_file(environ: Mapping[str, str]) -> bool:
    """Whether the state lies in local files."""
    return environ.get("PULUMI_BACKEND_URL", "").startswith("file:")


def can_heal(environ: Mapping[str, str]) -> bool:
    """Whether the engine's locks on this state can be seen and healed."""
    return is_file(environ) or is_postgres(environ)


def engine_locks(environ: Mapping[str, str], project: str, stack: str) -> Sequence[object]:
    """Return the engine's locks on a stack."""
    if not is_postgres(environ):
        return locks.held_locks(environ, project, stack)
    from donvi.fleet.postgres import Database
    from donvi.fleet.postgres.locks import held_locks

    return held_locks(Database.of(environ), project, stack)


def heal(environ: Mapping[str, str], project: str, stack: str) -> Sequence[tuple[object, str]]:
    """Remove the engine's locks whose owners are dead; returns each with the proof.

    :raises LockedError: an owner lives or isn't known to be dead; nothing was removed.
    """
    if not is_postgres(environ):
        return locks.heal(environ, project, stack)
    from donvi.fleet.postgres import Database
    from donvi.fleet.postgres.locks import heal as heal_rows

    return heal_rows(Database.of(environ), project, stack)
