"""One lab per host: whoever changes or uses its machines holds this lock, which names the clone and the process.

The lock is the kernel's (flock), so a dead holder holds nothing; the file's text only tells people who holds it.
Programs started by the holder are let through by a token in their environment.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.errors import LabError, LockedError
from lab import host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from lab.settings import LabSettings

TOKEN = "DONVI_LAB_TOKEN"  # noqa: S105 - the name of a variable; its value opens nothing but this lock's re-entry


@contextmanager
def hold(settings: LabSettings, purpose: str) -> Iterator[None]:
    """Hold the lab while something uses it; within a run that holds it already, this does nothing.

    :param purpose: what the holder does, shown to whoever is refused.
    :raises LockedError: somebody else holds it; exit code 7.
    :raises LabError: the lab's folder is full of other things, which a reset would delete.
    """
    path = settings.home / "lock"
    if _is_ours(path):
        yield
        return
    _refuse_foreign(settings.home)
    settings.home.mkdir(mode=0o755, parents=True, exist_ok=True)
    stream = _acquire(path)
    token = secrets.token_hex(16)
    pid = os.getpid()
    note = {
        "clone": str(settings.repository),
        "purpose": purpose,
        "pid": pid,
        "start": host.process_start(pid),
        "boot": host.boot_id(),
        "since": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "token": token,
    }
    stream.truncate(0)
    stream.write(json.dumps(note) + "\n")
    stream.flush()
    before = os.environ.get(TOKEN)
    os.environ[TOKEN] = token
    try:
        yield
    finally:
        os.environ.pop(TOKEN)
        if before is not None:
            os.environ[TOKEN] = before
        with suppress(OSError):
            stream.truncate(0)
        stream.close()


def _refuse_foreign(home: Path) -> None:
    """Leave a folder alone that has things in it and never was a lab's."""
    if not home.is_dir() or any((home / name).exists() for name in ("lock", "lab.json")):
        return
    if found := sorted(entry.name for entry in home.iterdir()):
        raise LabError(
            f"{home} is no lab's folder: it holds {', '.join(found[:3])}{' and more' if found[3:] else ''}",
            hint="Give DONVI_LAB_HOME a folder of its own; nothing was touched.",
        )


def holder(settings: LabSettings) -> dict[str, object] | None:
    """Return the note of whoever holds the lab now; None when it is idle."""
    path = settings.home / "lock"
    try:
        with path.open() as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _note(path)
    except OSError:
        return None
    return None


def _note(path: Path) -> dict[str, object]:
    try:
        note: dict[str, object] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return note


def _is_ours(path: Path) -> bool:
    token = os.environ.get(TOKEN)
    return bool(token) and path.exists() and _note(path).get("token") == token


def _acquire(path: Path) -> TextIO:
    """Open and lock the file; again, if it was removed (`lab-reset`) between the two."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        stream = os.fdopen(handle, "r+")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            raise _refusal(_note(path)) from None
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(stream.fileno()).st_ino:
                return stream
        stream.close()


def _refusal(note: dict[str, object]) -> LockedError:
    who = f"{note.get('clone', 'somebody')} ({note.get('purpose', 'a run')}, pid {note.get('pid', '?')})"
    since = f" since {note['since']}" if "since" in note else ""
    return LockedError(
        f"the lab of this host is held by {who}{since}",
        hint="Wait until that run has ended, or stop it; then run the command again.",
    )


def run_held(settings: LabSettings, command: list[str]) -> int:
    """Run a program while holding the lab; return its exit status (128 + signal if one ended it)."""
    with hold(settings, Path(command[0]).name):
        sys.stdout.flush()
        status = subprocess.run(command, check=False).returncode
    return status if status >= 0 else 128 - status
