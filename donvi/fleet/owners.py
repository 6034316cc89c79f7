"""Who drives: a process named so exactly that its death can be proven later.

A pid alone proves little: it is used again, another host or container has the same. So a process is named by host and
machine id, boot id, pid namespace, pid, and the moment it started in clock ticks since the boot, which no change of the
clock moves. Proof of death is the same idea as for the engine's own lock (``locks.py``), which holds less and therefore
needs margins. Where anything isn't comparable there is no proof.
"""

from __future__ import annotations

import getpass
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import msgspec

PROC = Path("/proc")
MACHINE_ID = Path("/etc/machine-id")


class Owner(msgspec.Struct, frozen=True):
    """A process of a person that holds something since a moment.

    :param machine: the host's machine id, empty where it has none; cloned hosts may share name and id, not both often.
    :param boot: the kernel's id of this boot.
    :param space: the pid namespace.
    :param started: clock ticks from the boot to the process's start.
    :param run: id of the run that the process drives.
    """

    user: str
    host: str
    machine: str
    boot: str
    space: str
    pid: int
    started: int
    run: str
    since: datetime

    def __str__(self) -> str:
        since = self.since.astimezone(UTC).isoformat(timespec="seconds")
        return f"{self.user}@{self.host} (pid {self.pid}, run {self.run}, since {since})"

    def is_process_of(self, other: Owner) -> bool:
        """Whether both are the same process, whatever runs it drives."""
        mine, theirs = (msgspec.structs.replace(one, run="", since=_EPOCH) for one in (self, other))
        return mine == theirs


_EPOCH = datetime.fromtimestamp(0, UTC)


def myself(run: str) -> Owner:
    """Name this process as the driver of a run, since now."""
    pid = os.getpid()
    return Owner(
        user=_user(),
        host=socket.gethostname(),
        machine=_line(MACHINE_ID),
        boot=_line(PROC / "sys/kernel/random/boot_id"),
        space=_space(),
        pid=pid,
        started=ticks(pid) or 0,
        run=run,
        since=datetime.now(UTC),
    )


def proof_of_death(owner: Owner, here: Owner) -> str | None:
    """Say why an owner is certainly dead, as seen from a process of now; ``None`` when that isn't certain."""
    if (owner.host, owner.machine) != (here.host, here.machine):
        return None
    if not owner.boot or not here.boot:
        return None
    if owner.boot != here.boot:
        return "the host was started again since"
    if owner.space != here.space:
        return None
    started = ticks(owner.pid)
    if started is None:
        return f"no process {owner.pid} exists"
    return None if started == owner.started else f"process {owner.pid} is another one, started later"


def doubt(owner: Owner, here: Owner) -> str:
    """Say why there is no proof."""
    if (owner.host, owner.machine) != (here.host, here.machine):
        return "on another host"
    return "and that process lives" if owner.space == here.space else "in another container of this host"


def remedy(owner: Owner, here: Owner) -> str:
    """Say what may be done about an owner that isn't proven dead."""
    if (owner.host, owner.machine) != (here.host, here.machine):
        return f"look on {owner.host}: `donvi runs {owner.run}`; if that run is dead, `donvi resume {owner.run}` there"
    if owner.space != here.space:
        return f"run the command in the container that drives run {owner.run}"
    return f"wait for it (`donvi runs {owner.run}`), or end it with `kill -INT {owner.pid}`"


def ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the boot; ``None`` when there is none or it is a zombie."""
    try:
        fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _space() -> str:
    try:
        return str((PROC / "self/ns/pid").readlink())
    except OSError:
        return ""
