"""Organizational units: the branches of a unit's subtree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from donvi.backends.directory import names
from donvi.backends.directory.entries import Wanted, ensure, optional, remove
from donvi.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Collection

    from donvi.backends.directory.connection import Directory, Entry
    from donvi.backends.directory.marks import Mark

RESOURCE = "donvi:directory:OrganizationalUnit"
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """A branch, ``ou=<name>,<parent>``."""

    dn: str
    description: str
    mark: Mark


def ensure_container(directory: Directory, spec: ContainerSpec, accepted: Collection[Mark] | None = None) -> Entry:
    """Make the branch, or bring its description to what is wanted.

    :raises ConflictError: a branch of that name isn't ours.
    """
    own = names.relative(spec.dn)
    enforced = {own.attribute: (own.value,), "description": optional(spec.description)}
    return ensure(directory, Wanted(RESOURCE, spec.dn, ("organizationalUnit",), enforced, spec.mark), accepted)


def remove_container(directory: Directory, dn: str, mark: Mark) -> None:
    """Remove an empty branch; one that is gone is success.

    :raises ConflictError: entries that nobody declared lie below it; the message lists the first of them.
    """
    try:
        remove(directory, dn, {mark}, RESOURCE)
    except ConflictError:
        below = directory.search(dn, "(objectClass=*)", scope="one", attributes=("donviUnit",))
        if not below:
            raise
        listed = ", ".join(entry.dn for entry in below[:SHOWN])
        more = f" and {len(below) - SHOWN} more" if len(below) > SHOWN else ""
        raise ConflictError(
            f"{dn} isn't empty: {listed}{more}",
            hint="move or delete these entries (`pulumi import` makes them this stack's), then run again",
        ) from None
