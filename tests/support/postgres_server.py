"""A throw-away Postgres on loopback: TLS with a certificate of the tests' own root, passwords, data on tmpfs."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import psycopg
import pytest

from tests.support.ca import Authority
from tests.support.vault_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
ACCOUNT = "postgres"
"""Postgres refuses to run as root; the Debian package makes this account."""

READY_SECONDS = 30
ACCESS = "hostssl all all 127.0.0.1/32 scram-sha-256\n"


@dataclass
class Postgres:
    """A running server; databases are made by the test that needs one."""

    folder: Path
    port: int
    password: str
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str, **options: str) -> str:
        """Return the URL of a database, as ``PULUMI_BACKEND_URL`` takes it."""
        given = {"sslmode": "verify-full", "sslrootcert": f"{self.folder}/root.crt", **options}
        return f"postgres://donvi:{self.password}@127.0.0.1:{self.port}/{database}?{urlencode(given)}"

    def database(self, template: str = "template1") -> str:
        """Make a database, empty or a copy of another that nobody uses meanwhile, and return its name."""
        name = f"state{secrets.token_hex(4)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")  # type: ignore[call-overload]
        return name

    def start(self) -> None:
        """Start the server on the data there is, and wait until it answers."""
        log = (self.folder / "server.log").open("ab")
        command = _as_account(PROGRAMS / "postgres", "-D", self.folder / "data")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()
        end = time.monotonic() + READY_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                if time.monotonic() > end or self.process.poll() is not None:
                    pytest.fail(f"Postgres didn't start: {(self.folder / 'server.log').read_text()[-2000:]}")
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End the server at once, as a power cut does."""
        if self.process is not None:
            self.process.send_signal(3)  # SIGQUIT: immediate
            self.process.wait(30)
            self.process = None


@contextmanager
def running() -> Iterator[Postgres]:
    """Make a cluster, start it and remove it at the end."""
    assert PROGRAMS.is_dir(), "apt-get install postgresql-15"
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/dev/shm"))
    made = Postgres(folder, free_port(), secrets.token_urlsafe(12))
    try:
        _initialise(made)
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for the session; take a database of your own."""
    with running() as made:
        yield made


def _initialise(server: Postgres) -> None:
    folder = server.folder
    (folder / "password").write_text(server.password)
    authority = Authority("Postgres under test")
    (folder / "root.crt").write_text(authority.pem)
    authority.server(folder)
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, ACCOUNT)
    (folder / "server.key").chmod(0o600)
    folder.chmod(0o755)
    options = [
        "--auth=scram-sha-256",
        f"--pwfile={folder}/password",
        "--username=donvi",
        "--no-sync",
        "--locale=C.UTF-8",
    ]
    made = subprocess.run(
        _as_account(PROGRAMS / "initdb", "-D", folder / "data", *options), capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    (folder / "password").unlink()
    (folder / "data/pg_hba.conf").write_text(ACCESS)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": server.port,
        "unix_socket_directories": "",
        "ssl": "on",
        "ssl_cert_file": f"{folder}/server.crt",
        "ssl_key_file": f"{folder}/server.key",
        "fsync": "off",
        "dynamic_shared_memory_type": "mmap",  # else a killed server leaves its segments behind
    }
    with (folder / "data/postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())


def _as_account(*command: object) -> list[str]:
    """Run as the account, and never longer than the tests."""
    switch = (
        ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups"] if os.getuid() == 0 else ["setpriv"]
    )
    return [*switch, "--pdeathsig=KILL", *map(str, command)]
