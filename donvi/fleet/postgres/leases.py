"""Leases for drivers on several machines: rows of a table, with a heartbeat and a session behind them.

A row says who holds a stack. Its owner keeps a session open that holds an advisory lock of the run, and writes the
server's time into its rows again and again. Somebody else takes a row over only

- if its session is gone (the server has given up its advisory lock), and
- if either its heartbeat is older than :data:`EXPIRES`, or its process is proven dead from here (``owners.py``).

The first alone may be a broken network, the second alone a driver that was stopped for a while and goes on. The other
half of the bargain is kept by the owner: one that can't renew its heartbeat in time calls ``on_lost``, and its driver
ends its engines, before anybody may take over.
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg import sql

from donvi.errors import UnreachableError
from donvi.fleet import owners
from donvi.fleet.leases import Held, refusal
from donvi.fleet.owners import Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from donvi.fleet.postgres.connection import Database

BEAT = 10.0
"""Seconds between two heartbeats."""

EXPIRES = 90.0
"""Seconds after which a heartbeat proves, together with a session that is gone, that its owner is dead."""

YIELDS = 45.0
"""Seconds without a heartbeat after which an owner gives up by itself: half of :data:`EXPIRES`."""

_TABLE = sql.SQL("""
CREATE TABLE IF NOT EXISTS {table} (
    stack text PRIMARY KEY,
    owner jsonb NOT NULL,
    session bigint NOT NULL,
    beat timestamptz NOT NULL DEFAULT clock_timestamp()
)""")
# one taker at a time; readers and heartbeats go on
_GUARD = sql.SQL("LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")
_ROWS = sql.SQL("""
SELECT stack, owner, session, clock_timestamp() - beat,
       EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND (classid::bigint << 32) | objid::bigint = session)
FROM {table}""")
_TAKE = sql.SQL("""
INSERT INTO {table} (stack, owner, session) VALUES (%s, %s, %s)
ON CONFLICT (stack) DO UPDATE SET owner = excluded.owner, session = excluded.session, beat = clock_timestamp()""")
_RENEW = sql.SQL("UPDATE {table} SET beat = clock_timestamp() WHERE session = %s")
_RELEASE = sql.SQL("DELETE FROM {table} WHERE session = %s AND stack = ANY(%s)")


@dataclass
class PostgresLeases:
    """The leases of one run; same promises as :class:`donvi.fleet.leases.Leases`.

    :param owner: the process that drives this run.
    :param on_lost: called once, from a thread of its own, when the leases can't be held any longer.
    """

    database: Database
    owner: Owner
    on_lost: Callable[[], None] = lambda: None
    beat: float = BEAT
    expires: float = EXPIRES
    yields: float = YIELDS
    _own: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._session = session_key(self.owner)
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._beating: threading.Thread | None = None
        self._connection = self._open()
        self._run(_TABLE)

    def take(self, stacks: Iterable[str]) -> tuple[Held, ...]:
        """Take the leases of all stacks or of none; returns those that were taken over from dead owners.

        :raises LockedError: somebody who isn't proven dead holds one; the message says who, where and since when.
        :raises UnreachableError: the database can't be used.
        """
        wanted = sorted(set(stacks) - self._own)
        with self._mutex:
            try:
                with self._connection.transaction():
                    others = self._take(wanted)
            except psycopg.Error as error:
                raise self.database.unreachable(error) from None
            self._own.update(wanted)
        self._start()
        return others

    def release(self, stacks: Iterable[str]) -> None:
        """Give up the leases of these stacks, as far as they are still this run's."""
        given = sorted(set(stacks) & self._own)
        with self._mutex:
            self._own.difference_update(given)
            try:
                self._run(_RELEASE, (self._session, given))
            except psycopg.Error:
                return  # nobody renews it any longer: it expires

    def close(self) -> None:
        """Give up everything."""
        self.release(tuple(self._own))
        self._ended.set()
        if self._beating is not None:
            self._beating.join()
        self._connection.close()

    def _take(self, wanted: list[str]) -> tuple[Held, ...]:
        self._run(_GUARD)
        rows = self._run(_ROWS).fetchall()
        others = [held for row in rows if row[0] in wanted and (held := self._held(row)) is not None]
        living = [held for held in others if not held.proof]
        if living:
            raise refusal(living, self.owner)
        mine = msgspec.json.encode(self.owner).decode()
        for stack in wanted:
            self._run(_TAKE, (stack, mine, self._session))
        return tuple(others)

    def _held(self, row: tuple[str, Any, int, timedelta, bool]) -> Held | None:
        stack, raw, session, age, alive = row
        if session == self._session:
            return None
        owner = msgspec.convert(raw, Owner)
        return Held(stack, owner, self._proof(owner, age.total_seconds(), alive=alive))

    def _proof(self, owner: Owner, age: float, *, alive: bool) -> str:
        if alive:
            return ""
        if seen := owners.proof_of_death(owner, self.owner):
            return f"{seen}, and its session is gone"
        return f"no heartbeat for {age:.0f} s, and its session is gone" if age > self.expires else ""

    def _start(self) -> None:
        if self._beating is None and self._own:
            self._beating = threading.Thread(target=self._renew_for_ever, name="leases", daemon=True)
            self._beating.start()

    def _renew_for_ever(self) -> None:
        last = time.monotonic()
        while not self._ended.wait(self.beat):
            with self._mutex:
                renewed = self._renewed()
            if renewed:
                last = time.monotonic()
            elif renewed is not None or time.monotonic() - last > self.yields:
                self.on_lost()
                return

    def _renewed(self) -> bool | None:
        """Renew all rows; a session that broke is opened again.

        :returns: whether all rows are still this run's, ``None`` when the database can't be asked.
        """
        try:
            if self._connection.closed or self._connection.broken:
                self._connection = self._open()
            return self._run(_RENEW, (self._session,)).rowcount == len(self._own)
        except (psycopg.Error, UnreachableError):
            self._connection.close()
            return None

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        connection = self.database.connect(f"donvi {self.owner.run}")
        connection.execute("SET statement_timeout = '15s'")
        connection.execute("SELECT pg_advisory_lock(%s)", (self._session,))
        return connection

    def _run(self, statement: sql.SQL, values: tuple[Any, ...] = ()) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._connection.execute(statement.format(table=sql.Identifier(self.database.leases)), values)


def session_key(owner: Owner) -> int:
    """Return the number of the advisory lock that a run's process holds: 63 bits of a digest of who it is."""
    digest = hashlib.sha256(msgspec.json.encode(owner)).digest()
    return int.from_bytes(digest[:8]) >> 1
