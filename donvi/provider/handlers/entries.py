"""What the handlers of all directory entries share: the owner mark, the identity, names as they were declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.backends.directory import NOBODY, Entry, Mark, names

if TYPE_CHECKING:
    from donvi.provider.handler import JSON, Inputs


def mark(inputs: Inputs) -> Mark:
    """Return the owner mark that the inputs declare."""
    return Mark(inputs.unit, inputs.key)


def accepted(old: Inputs, new: Inputs) -> set[Mark]:
    """Return the marks that an object in our state may carry when it is updated.

    One without a mark was imported: the update marks it.
    """
    return {mark(new), mark(old)} if old.unit else {mark(new), NOBODY}


def uuid(entry: Entry) -> dict[str, JSON]:
    """Return the output that identifies an entry for good."""
    return {"entryUuid": entry.one("entryUUID")}


def same_name(known: str, real: str) -> str:
    """Return a name as it was declared if it means the same, else as it really is."""
    return known if known and names.same(known, real) else real


def same_texts(known: tuple[str, ...], real: tuple[str, ...]) -> tuple[str, ...]:
    """Return a set of texts in the declared order if it is the same set, else sorted."""
    return known if sorted(known) == sorted(real) else tuple(sorted(real))
