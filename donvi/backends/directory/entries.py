"""Making an entry what it should be: the loop that every kind of entry shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from donvi.backends.directory import names
from donvi.backends.directory.marks import OBJECT_CLASS, Mark, require_own
from donvi.errors import BackendError, ConflictError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from donvi.backends.directory.connection import Directory, Entry

ATTEMPTS = 6
_NAMES = frozenset({"member", "donvimailowner"})


@dataclass(frozen=True)
class Wanted:
    """An entry as it should be.

    :param resource: token of the resource type, for remedies.
    :param enforced: complete values by attribute; none means that the attribute must be absent. Attributes that
        aren't named belong to the person or the server and are left alone.
    """

    resource: str
    dn: str
    classes: tuple[str, ...]
    enforced: Mapping[str, tuple[str, ...]]
    mark: Mark


def optional(text: str) -> tuple[str, ...]:
    """Return a value's list, empty for an empty text: LDAP has no empty values."""
    return (text,) if text else ()


def ensure(directory: Directory, wanted: Wanted, accepted: Collection[Mark] | None = None) -> Entry:
    """Add the entry or bring it to what is wanted, and return it; two that do so at once end in the same place.

    :param accepted: marks an existing entry may carry; its own only, unless told otherwise.
    :raises ConflictError: an entry of that name isn't ours.
    """
    for _ in range(ATTEMPTS):
        entry = directory.get(wanted.dn)
        if entry is None:
            _add(directory, wanted)
            continue
        require_own(entry, accepted or {wanted.mark}, wanted.resource)
        change = difference(entry, wanted)
        if not (change.replace or change.add or change.remove):
            return entry
        directory.modify(wanted.dn, replace=change.replace, add=change.add, remove=change.remove)
    raise ConflictError(
        f"{wanted.dn} was changed by somebody else {ATTEMPTS} times while it was being written",
        hint="find out who writes it, then run again",
    )


def _add(directory: Directory, wanted: Wanted) -> None:
    attributes = {"objectClass": (*wanted.classes, OBJECT_CLASS), **wanted.enforced, **wanted.mark.attributes}
    own = names.relative(wanted.dn)
    attributes.setdefault(own.attribute, (own.value,))
    try:
        directory.add(wanted.dn, attributes)
    except BackendError:
        # the overlay that guards unique values speaks first when another writer was faster
        if directory.get(wanted.dn) is None:
            raise


@dataclass(frozen=True)
class Change:
    """What makes an entry what it should be, in one step."""

    replace: dict[str, tuple[str, ...]]
    add: dict[str, tuple[str, ...]]
    remove: dict[str, tuple[str, ...]]


def difference(entry: Entry, wanted: Wanted) -> Change:
    """Return how the entry differs from what is wanted.

    Members are added and taken away one by one: who stays a member is one at every moment.
    """
    classes = entry.all("objectClass")
    present = {name.lower() for name in classes}
    missing = [name for name in (*wanted.classes, OBJECT_CLASS) if name.lower() not in present]
    change = Change({"objectClass": (*classes, *missing)} if missing else {}, {}, {})
    for attribute, values in {**wanted.enforced, **wanted.mark.attributes}.items():
        if attribute.lower() in _NAMES:
            _members(change, attribute, entry.all(attribute), values)
        elif sorted(entry.all(attribute)) != sorted(values):
            change.replace[attribute] = values
    return change


def _members(change: Change, attribute: str, real: tuple[str, ...], values: tuple[str, ...]) -> None:
    found = {names.normal(value): value for value in real}
    desired = {names.normal(value): value for value in values}
    if added := tuple(desired[key] for key in desired.keys() - found.keys()):
        change.add[attribute] = added
    if removed := tuple(found[key] for key in found.keys() - desired.keys()):
        change.remove[attribute] = removed


def remove(directory: Directory, dn: str, accepted: Collection[Mark], resource: str) -> None:
    """Delete our own entry; one that is gone is success.

    :raises ConflictError: the entry isn't ours, or entries lie below it.
    """
    entry = directory.get(dn)
    if entry is None:
        return
    require_own(entry, accepted, resource)
    directory.delete(dn)
