"""Heals the lock of a stack whose owner is dead, and only then.

The engine's file backend keeps one JSON file per lock, with host, pid and time; it has no lease, and ``pulumi cancel``
deletes the file even under a run that goes on. Here a lock goes only with proof of death, any of:

- its time lies before this host's boot;
- no process has the pid;
- the process that has the pid started after the lock was made.

Everything else (another host, a process that lives) is refused. What the dead run left half-written is mended by
``checkpoints.py``, what it was creating is struck from the pending operations by ``pending.py``.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from donvi.errors import LockedError, UsageError
from donvi.plugin import HOST_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MARGIN = timedelta(seconds=2)
"""Process start and boot time are known to a clock tick and a second; nearer than this proves nothing."""

PROC = Path("/proc")
PROVIDER = b"donvi.provider"
PROVIDER_SECONDS = 25.0


class Lock(msgspec.Struct, frozen=True):
    """A lock as the engine writes it."""

    pid: int
    username: str
    hostname: str
    timestamp: datetime


@dataclass(frozen=True)
class Held:
    """A lock and its file."""

    path: Path
    lock: Lock

    def __str__(self) -> str:
        made = self.lock.timestamp.astimezone(UTC).isoformat(timespec="seconds")
        return f"{self.lock.username}@{self.lock.hostname} (pid {self.lock.pid}, since {made})"


@dataclass(frozen=True)
class Host:
    """What is known of this host; injected for tests.

    :param started: when the process of a pid began, ``None`` when there is none.
    """

    name: str
    booted: datetime
    started: Callable[[int], datetime | None]


def this_host() -> Host:
    """Read host name and boot time."""
    return Host(socket.gethostname(), _booted(), _started)


def held_locks(environ: Mapping[str, str], project: str, stack: str) -> list[Held]:
    """Return the locks of a stack, oldest first.

    :raises UsageError: the state isn't in local files, so nothing can be proven from here.
    """
    folder = backend_folder(environ) / ".pulumi/locks/organization" / project / stack
    found = []
    for path in folder.glob("*.json"):
        try:
            found.append(Held(path, msgspec.json.decode(path.read_bytes(), type=Lock)))
        except FileNotFoundError:
            continue  # given up by its owner in this moment
        except msgspec.DecodeError as error:
            told = f"{path} is no lock of the engine: {error}"
            raise UsageError(told, hint="look at it and remove it by hand") from None
    return sorted(found, key=lambda held: held.lock.timestamp)


def proof_of_death(lock: Lock, host: Host) -> str | None:
    """Say why the owner of a lock is certainly dead; ``None`` when that isn't certain."""
    if lock.hostname != host.name:
        return None
    if lock.timestamp < host.booted - MARGIN:
        return "the host was started again since"
    started = host.started(lock.pid)
    if started is None:
        return f"no process {lock.pid} exists"
    if started > lock.timestamp + MARGIN:
        return f"process {lock.pid} is another one, younger than the lock"
    return None


def heal(environ: Mapping[str, str], project: str, stack: str, host: Host | None = None) -> list[tuple[Held, str]]:
    """Remove the locks of dead owners; returns each with the proof, an empty list when nothing was locked.

    :raises LockedError: an owner lives or isn't known to be dead; nothing was removed.
    :raises UsageError: the state isn't in local files.
    """
    here = host or this_host()
    proofs = []
    for held in held_locks(environ, project, stack):
        proof = proof_of_death(held.lock, here)
        if proof is None:
            raise LockedError(f"stack {stack} is held by {held}, {_reason(held.lock, here)}", hint=_remedy(held, here))
        proofs.append((held, proof))
    wait_for_orphans()
    for held, _ in proofs:
        held.path.unlink(missing_ok=True)
        held.path.with_name(f"{held.path.name}.attrs").unlink(missing_ok=True)
    return proofs


def _reason(lock: Lock, host: Host) -> str:
    return "on another host" if lock.hostname != host.name else "and that process lives"


def _remedy(held: Held, host: Host) -> str:
    if held.lock.hostname != host.name:
        return f"run `donvi unlock` on {held.lock.hostname}"
    return f"wait for it, or end it with `kill -INT {held.lock.pid}`: it records what it did and gives up the lock"


def backend_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the file backend that ``PULUMI_BACKEND_URL`` names.

    :raises UsageError: it isn't set or names another kind of backend.
    """
    url = environ.get("PULUMI_BACKEND_URL", "")
    if not url:
        raise UsageError("PULUMI_BACKEND_URL is not set", hint='run `eval "$(uv run donvi lab env)"` first')
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise UsageError(f"the state is at {parts.scheme}://, not in local files", hint="use that backend's own means")
    return Path(unquote(parts.netloc + parts.path)).expanduser()


def _booted() -> datetime:
    for line in (PROC / "stat").read_text(encoding="ascii").splitlines():
        if line.startswith("btime "):
            return datetime.fromtimestamp(int(line.split()[1]), UTC)
    raise LockedError("/proc/stat doesn't say when this host was started", hint="proof is impossible here")


def _started(pid: int) -> datetime | None:
    try:
        fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in {"Z", "X"}:
        return None  # dead, only not yet collected by its parent
    return _booted() + timedelta(seconds=int(fields[19]) / os.sysconf("SC_CLK_TCK"))


def wait_for_orphans() -> None:
    """Wait for providers whose engine is gone: they finish what had begun, within seconds."""
    end = time.monotonic() + PROVIDER_SECONDS
    while any(_orphaned(entry) for entry in PROC.glob("[0-9]*")):
        if time.monotonic() > end:
            raise LockedError("a provider of a dead run still works", hint="look for `donvi.provider` in `ps ax`")
        time.sleep(0.2)


def _driver(process: Path) -> str:
    """Return the pid of the driver that started a provider for many engines, or nothing."""
    mark = f"{HOST_VARIABLE}=".encode()
    entries = (process / "environ").read_bytes().split(b"\0")
    return next((entry.removeprefix(mark).decode() for entry in entries if entry.startswith(mark)), "")


def _orphaned(process: Path) -> bool:
    try:
        if PROVIDER not in (process / "cmdline").read_bytes().split(b"\0"):
            return False
        parent = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
        driver = _driver(process)
        if driver:  # it serves the engines of a driver, whose child it is while that one lives
            return driver != parent
        return (PROC / parent / "comm").read_text(encoding="utf-8").strip() != "pulumi"
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
