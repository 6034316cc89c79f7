"""What a run did, written while it does it, so that it can go on after anything.

A run is a folder ``runs/<id>/``: ``run.json`` says who began what and why, ``journal.jsonl`` gets one line per event,
in order, never changed. Before a stack begins and after it ended, and at every decision about waves, the line is on the
disk before the driver goes on; the steps of resources between are only written. A driver that dies at a line leaves it
torn: a reader ignores a last line without an end, and whoever continues the run cuts it off first.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from donvi.errors import DataError, LockedError, UsageError
from donvi.fleet.records import Closed, Head, Record, Resumed

if TYPE_CHECKING:
    from pathlib import Path

    from donvi.fleet.owners import Owner
    from donvi.fleet.places import Places

HEAD = "run.json"
LINES = "journal.jsonl"
_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class Story(msgspec.Struct, frozen=True):
    """A run as its folder tells it: the head and every whole line after it."""

    head: Head
    records: tuple[Record, ...]

    @property
    def owner(self) -> Owner:
        """The process that drives the run, or drove it last."""
        resumed = [record.owner for record in self.records if isinstance(record, Resumed)]
        return resumed[-1] if resumed else self.head.owner

    @property
    def closed(self) -> Closed | None:
        """How the run ended; ``None`` while it runs, or when its driver died."""
        last = next((record for record in reversed(self.records) if isinstance(record, Closed | Resumed)), None)
        return last if isinstance(last, Closed) else None


class Journal:
    """The one writer of a run; may be called from several threads.

    A kernel lock on the file keeps a second writer out for as long as the process lives.
    """

    def __init__(self, folder: Path) -> None:
        """Open for appending.

        :raises LockedError: another process writes this run.
        """
        self.folder = folder
        self._lock = threading.Lock()
        self._file = os.open(folder / LINES, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise LockedError(
                f"run {folder.name} is being driven", hint=f"`donvi runs {folder.name}` says by whom"
            ) from None
        self._cut_torn_line()

    def write(self, record: Record, *, keep: bool = True) -> None:
        """Append a record; with ``keep`` it is on the disk when this returns."""
        line = msgspec.json.encode(record) + b"\n"
        with self._lock:
            os.write(self._file, line)
            if keep:
                os.fdatasync(self._file)

    def close(self) -> None:
        """Let others write."""
        with self._lock:
            os.close(self._file)

    def _cut_torn_line(self) -> None:
        size = os.fstat(self._file).st_size
        text = os.pread(self._file, size, 0)
        whole = text.rfind(b"\n") + 1
        if whole < size:
            os.ftruncate(self._file, whole)


def begin(places: Places, head: Head) -> Journal:
    """Make a run's folder and return its journal."""
    folder = places.runs / head.id
    folder.mkdir(parents=True, mode=0o700)
    _write_whole(folder / HEAD, msgspec.json.format(msgspec.json.encode(head), indent=1) + b"\n")
    journal = Journal(folder)
    _sync_folder(folder)
    _sync_folder(places.runs)
    return journal


def new_id(now: datetime | None = None) -> str:
    """Return a fresh run id; ids sort by time."""
    return f"{(now or datetime.now(UTC)):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def read(folder: Path) -> Story:
    """Read a run.

    :raises UsageError: there is no such run.
    :raises DataError: the head or a line before the last is damaged.
    """
    try:
        head = msgspec.json.decode((folder / HEAD).read_bytes(), type=Head)
    except FileNotFoundError:
        raise UsageError(f"there is no run {folder.name}", hint="`donvi runs` lists them") from None
    except msgspec.DecodeError as error:
        raise DataError(f"the run's head is damaged: {error}", file=str(folder / HEAD)) from None
    return Story(head, _records(folder / LINES))


def run_ids(places: Places) -> list[str]:
    """Return the ids of all runs, the newest first."""
    return sorted((path.parent.name for path in places.runs.glob(f"*/{HEAD}")), reverse=True)


def find_run(places: Places, query: str) -> str:
    """Return the id that a query means: a whole id, ``last``, or the end or beginning of exactly one.

    :raises UsageError: no run or several match.
    """
    ids = run_ids(places)
    if query == "last" and ids:
        return ids[0]
    found = [one for one in ids if one == query] or [
        one for one in ids if query and (one.startswith(query) or one.endswith(query))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{query!r} matches {len(found)} runs: {', '.join(found[:5])}", hint="type more of the id")
    raise UsageError(f"there is no run {query!r}", hint="`donvi runs` lists them")


def _records(path: Path) -> tuple[Record, ...]:
    try:
        *lines, _torn = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return ()
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(_DECODER.decode(line))
        except msgspec.DecodeError as error:
            raise DataError(
                f"the journal is damaged: {error}", file=str(path), row=number, hint="start a new run of the same units"
            ) from None
    return tuple(found)


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that is either whole or not there."""
    draft = path.with_suffix(".tmp")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
