"""The directory for a look at everything: whole subtrees by one search each, then answers from memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.backends.directory import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from donvi.backends.directory.connection import Directory, Entry

ATTRIBUTES = ("*", "entryDN", "entryUUID", "pwdChangedTime", "pwdReset")
"""What tells whether an entry is as declared. ``memberOf`` isn't among it: the server computes it entry by entry."""


class Snapshot:
    """Entries below some names as they were at one moment, found by name in any spelling."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = {entry.dn: entry for entry in entries}
        self._folded: dict[str, Entry] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, dn: str, attributes: Sequence[str] = ()) -> Entry | None:
        """Return an entry, ``None`` if there is none of that name.

        :param attributes: as :meth:`Directory.get` takes them; every entry has all that were searched for.
        """
        if found := self._entries.get(dn):
            return found
        if self._folded is None:
            self._folded = {names.normal(name): entry for name, entry in self._entries.items()}
        return self._folded.get(names.normal(dn))


def take(directory: Directory, bases: Iterable[str]) -> Snapshot:
    """Read subtrees; a base that doesn't exist holds nothing.

    :raises UnreachableError: nobody answers; :raises PermissionDeniedError: the account may not look.
    """
    return Snapshot(
        entry for base in bases for entry in directory.search(base, "(objectClass=*)", attributes=ATTRIBUTES)
    )


def bases(wanted: Iterable[str], depth: int, most: int) -> list[str]:
    """Return subtrees that hold all the names: their ancestors with ``depth`` parts, or one part less if too many.

    :param most: how many searches are made before it is cheaper to read what lies above them in one.
    """
    found = sorted({_ancestor(name, depth) for name in wanted})
    return found if len(found) <= most or depth == 1 else bases(found, depth - 1, most)


def _ancestor(name: str, depth: int) -> str:
    """Return the name's ancestor of so many parts, or the name itself if it has fewer."""
    parts = names.parse(name)
    for _ in range(len(parts) - depth):
        name = names.parent(name)
    return name
