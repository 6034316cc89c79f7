"""Owner marks of Vault objects that can't carry one themselves.

A mark lies in KV at ``owners/<kind>/<name>`` and is written *before* the object: a run that dies in between leaves a
mark without an object, which the next run finishes, and never an object that nobody owns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from donvi.backends.vault.kv import KeyValue
from donvi.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = "owners"


class Owner(Struct, frozen=True):
    """Whose an object is: the unit's code (or ``platform``) and the object's logical id inside the unit."""

    unit: str
    key: str


def conflict(what: str, token: str, identifier: str, found: Owner | None) -> ConflictError:
    """Make the error for an object that exists and isn't the caller's."""
    whose = f"belongs to unit {found.unit}, key {found.key}" if found else "carries no owner mark"
    return ConflictError(
        f"{what} exists already and {whose}",
        hint=f"if it shall be this resource, run `pulumi import {token} NAME {identifier}`, else choose another name",
    )


class Owners(KeyValue):
    """Reading, claiming and releasing marks."""

    def owner_read(self, kind: str, name: str) -> Owner | None:
        """Return whose an object is, or ``None`` if nobody claimed it."""
        data = self.kv_read(f"{FOLDER}/{kind}/{name}")
        return Owner(unit=str(data.get("unit", "")), key=str(data.get("key", ""))) if data else None

    def owner_claim(self, kind: str, name: str, owner: Owner, *, exists: Callable[[], bool], token: str) -> None:
        """Put our mark on an object that is about to be made, or see that it is ours already.

        :param exists: asks whether the object is there; an object without a mark is never taken.
        :param token: resource token, for the remedy.
        :raises ConflictError: it is another's, or exists unmarked.
        """
        found = self.owner_read(kind, name)
        if found == owner:
            return
        if found is not None or exists():
            raise conflict(f"{kind} {name}", token, name, found)
        self.kv_write(f"{FOLDER}/{kind}/{name}", {"unit": owner.unit, "key": owner.key}, cas=0)

    def owner_write(self, kind: str, name: str, owner: Owner) -> None:
        """Put a mark on an object that was imported, or change it."""
        if self.owner_read(kind, name) != owner:
            self.kv_write(f"{FOLDER}/{kind}/{name}", {"unit": owner.unit, "key": owner.key})

    def owner_release(self, kind: str, name: str) -> None:
        """Take the mark away, after the object is gone."""
        self.kv_delete(f"{FOLDER}/{kind}/{name}")
