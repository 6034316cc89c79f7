"""One driver per stack: a lease above the engine's own lock, which has no owner that could be proven dead.

A lease is a file per stack that says who holds it. All leases of a run are hard links of one file that was written and
synced before: taking one is a single step that succeeds or fails whole. Changes of the folder happen under a kernel
lock on it, which a dying process gives up, so two drivers that find the same dead owner can't both take over.

A preview takes no lease: it changes nothing, and the engine takes no lock for it either.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from donvi.errors import LockedError, UsageError
from donvi.fleet import owners
from donvi.fleet.owners import Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

NAMED_IN_ERROR = 5
_MINE = ".owner-{}"
_GUARD = ".guard"


class Held(msgspec.Struct, frozen=True):
    """A lease of somebody else; ``proof`` says why that one is dead, empty when that isn't certain."""

    stack: str
    owner: Owner
    proof: str = ""


@dataclass
class Leases:
    """The leases of one run.

    :param folder: where those of all runs of a state backend lie.
    :param owner: the process that drives this run.
    """

    folder: Path
    owner: Owner
    _own: set[str] = field(default_factory=set)

    def take(self, stacks: Iterable[str]) -> tuple[Held, ...]:
        """Take the leases of all stacks or of none; returns those that were taken over from dead owners.

        :raises LockedError: somebody who isn't proven dead holds one; the message says who, where and since when.
        """
        wanted = sorted(set(stacks) - self._own)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._guarded():
            others = [held for stack in wanted if (held := self._held(stack)) is not None]
            living = [held for held in others if not held.proof]
            if living:
                raise refusal(living, self.owner)
            self._write_owner()
            for held in others:
                self._path(held.stack).unlink()
                (self.folder / _MINE.format(f"{held.owner.run}-{held.owner.pid}")).unlink(missing_ok=True)
            for stack in wanted:
                os.link(self._owner_file, self._path(stack))
            self._own.update(wanted)
        return tuple(others)

    def release(self, stacks: Iterable[str]) -> None:
        """Give up the leases of these stacks, as far as they are still this run's."""
        with self._guarded():
            for stack in sorted(set(stacks) & self._own):
                if (held := _read(self._path(stack))) is not None and held == self.owner:
                    self._path(stack).unlink()
                self._own.discard(stack)

    def close(self) -> None:
        """Give up everything."""
        self.release(tuple(self._own))
        with suppress(FileNotFoundError):
            self._owner_file.unlink()

    @property
    def _owner_file(self) -> Path:
        return self.folder / _MINE.format(f"{self.owner.run}-{self.owner.pid}")

    def _path(self, stack: str) -> Path:
        return self.folder / f"{stack}.json"

    def _held(self, stack: str) -> Held | None:
        owner = _read(self._path(stack))
        if owner is None:
            return None
        return Held(stack, owner, owners.proof_of_death(owner, self.owner) or "")

    def _write_owner(self) -> None:
        with self._owner_file.open("wb") as file:
            file.write(msgspec.json.encode(self.owner) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Let one process at a time change the folder; the kernel frees it when that one dies."""
        descriptor = os.open(self.folder / _GUARD, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def standing(folder: Path, here: Owner) -> dict[str, Held]:
    """Return the leases that lie in a folder, by stack."""
    found = {}
    for path in sorted(folder.glob("[!.]*.json")):
        if (owner := _read(path)) is not None:
            found[path.stem] = Held(path.stem, owner, owners.proof_of_death(owner, here) or "")
    return found


def _read(path: Path) -> Owner | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Owner)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is no lease: {error}", hint="look at it and remove it by hand") from None


def refusal(living: Sequence[Held], here: Owner) -> LockedError:
    """Return the error for stacks that somebody holds who isn't proven dead."""
    first = living[0]
    stacks = [held.stack for held in living if held.owner == first.owner]
    others = len(living) - len(stacks)
    more = f" and {len(stacks) - NAMED_IN_ERROR} more" if len(stacks) > NAMED_IN_ERROR else ""
    also = f"; {others} more by others" if others else ""
    verb = "is held" if len(stacks) == 1 else "are held"
    word = "stack" if len(stacks) == 1 else "stacks"
    return LockedError(
        f"{word} {', '.join(stacks[:NAMED_IN_ERROR])}{more} {verb} by {first.owner}, "
        f"{owners.doubt(first.owner, here)}{also}; nothing was run",
        hint=owners.remedy(first.owner, here),
    )
