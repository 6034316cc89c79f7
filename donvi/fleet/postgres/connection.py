"""The database that ``PULUMI_BACKEND_URL`` names, as a driver reaches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg

from donvi.errors import UnreachableError, UsageError
from donvi.fleet.leasing import is_postgres
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE = "pulumi_state"
"""The engine's table unless the URL's ``table`` names another."""

SECONDS = 15
KEEPALIVE = "-c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
"""A client whose machine lost its power is noticed by the server within half a minute."""


@dataclass(frozen=True)
class Database:
    """Where the state lies; never shown, for the address may hold a password.

    :param state: the engine's table.
    :param folder: what stands before every key of the engine's: it takes the database's name for a folder's.
    :param leases: the drivers' table.
    """

    address: str
    shown: str
    state: str
    folder: str
    leases: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Database:
        """Read ``PULUMI_BACKEND_URL``.

        :raises UsageError: it doesn't name a Postgres database.
        """
        if not is_postgres(environ):
            raise UsageError("PULUMI_BACKEND_URL names no Postgres database", hint="postgres://user@host/database")
        parts = urlsplit(environ["PULUMI_BACKEND_URL"])
        options = dict(parse_qsl(parts.query))
        state = options.pop("table", STATE)
        leases = "donvi_leases" if state == STATE else f"{state}_donvi_leases"
        address = urlunsplit(parts._replace(query=urlencode(options)))
        folder = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        return cls(address, f"{parts.hostname or ''}{parts.path}", state, folder, leases)

    def connect(self, name: str) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection that commits every statement by itself.

        :param name: what the server shows in ``pg_stat_activity``.
        :raises UnreachableError: the server doesn't answer or refuses the login.
        """
        try:
            return psycopg.connect(
                self.address, autocommit=True, connect_timeout=SECONDS, application_name=name, options=KEEPALIVE
            )
        except (psycopg.Error, UnicodeError) as error:
            raise self.unreachable(error) from None

    def unreachable(self, error: Exception) -> UnreachableError:
        """Return the error for a database that can't be used."""
        told = redact(" ".join(str(error).split()))
        return UnreachableError(
            f"the state's database {self.shown} can't be used: {told}",
            hint="check PULUMI_BACKEND_URL with `pulumi stack ls`",
        )
