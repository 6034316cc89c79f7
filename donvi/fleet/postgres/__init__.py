"""What drivers on several machines share when the state lies in Postgres: leases, and the engine's own locks.

Goes in: tables beside the engine's ``pulumi_state``, in the same database. Stays out: the state itself, which only the
engine reads and writes.
"""

from donvi.fleet.postgres.connection import Database
from donvi.fleet.postgres.leases import PostgresLeases

__all__ = ["Database", "PostgresLeases"]
