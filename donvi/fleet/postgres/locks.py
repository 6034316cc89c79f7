"""Heals the engine's lock in Postgres: the same rule as for files (``donvi/fleet/locks.py``), another place.

The engine keeps each lock as a row whose key is a path, its JSON packed in base64. A lock of another host is never
removed: nothing here could prove its owner dead.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec
import psycopg
from psycopg import sql

from donvi.errors import LockedError, UsageError
from donvi.fleet.locks import Lock, proof_of_death, this_host, wait_for_orphans

if TYPE_CHECKING:
    from donvi.fleet.locks import Host
    from donvi.fleet.postgres.connection import Database

_LOCKS = sql.SQL("SELECT key, data->>'data' FROM {table} WHERE starts_with(key, %s) ORDER BY updated_at")
_REMOVE = sql.SQL("DELETE FROM {table} WHERE key = %s")


def held_locks(database: Database, project: str, stack: str) -> list[tuple[str, Lock]]:
    """Return keys and locks of a stack, oldest first.

    :raises UnreachableError: the database can't be used.
    :raises UsageError: a row is no lock of the engine.
    """
    table = sql.Identifier(database.state)
    prefix = f"{database.folder}.pulumi/locks/organization/{project}/{stack}/"
    try:
        with database.connect("donvi locks") as connection:
            rows = connection.execute(_LOCKS.format(table=table), (prefix,)).fetchall()
    except psycopg.errors.UndefinedTable:
        return []  # the engine was never here
    except psycopg.Error as error:
        raise database.unreachable(error) from None
    return [(key, _lock(key, data)) for key, data in rows if key.endswith(".json")]


def heal(database: Database, project: str, stack: str, host: Host | None = None) -> list[tuple[str, str]]:
    """Remove the locks of dead owners; returns each, as it is shown, with the proof.

    :raises LockedError: an owner lives, or is on another host; nothing was removed.
    """
    here, proofs = host or this_host(), []
    for key, lock in held_locks(database, project, stack):
        proof = proof_of_death(lock, here)
        if proof is None:
            raise LockedError(
                f"stack {stack} is held by {lock.username}@{lock.hostname} (pid {lock.pid}), not proven dead",
                hint=f"run `donvi unlock {stack}` on {lock.hostname}; if that host is gone for good, `pulumi cancel`",
            )
        proofs.append((key, lock, proof))
    wait_for_orphans()
    try:
        with database.connect("donvi locks") as connection:
            for key, _, _ in proofs:
                connection.execute(_REMOVE.format(table=sql.Identifier(database.state)), (key,))
    except psycopg.Error as error:
        raise database.unreachable(error) from None
    return [(f"{lock.username}@{lock.hostname} (pid {lock.pid})", proof) for _, lock, proof in proofs]


def _lock(key: str, data: str) -> Lock:
    try:
        return msgspec.json.decode(base64.b64decode(data), type=Lock)
    except (ValueError, TypeError, msgspec.DecodeError) as error:
        raise UsageError(f"{key} is no lock of the engine: {error}", hint="look at it and remove it by hand") from None
