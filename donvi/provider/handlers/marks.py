"""What the handlers of Vault's objects share: names, owner marks in KV, and lists compared without regard to order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from donvi.backends import vault as backend
from donvi.backends.vault import Owner
from donvi.provider.handler import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from donvi.backends.vault import VaultClient
    from donvi.provider.handler import JSON, Inputs

_NAME = re.compile(r"\A[a-z0-9][a-z0-9_.-]{0,127}\Z")
_CODE = re.compile(r"(?<!\d)\d{5}(?!\d)")
_BUILT_IN = frozenset({"root", "default", "administrator", "apply", "preview", "verify"})


def presumed_owner(kind: str, name: str) -> Owner:
    """Return whose an unmarked object is taken to be on import: the unit in its name, else the platform's.

    The key is ``<kind>/<name>``, as the components give it.
    """
    code = _CODE.search(name)
    return Owner(unit=code[0] if code else "platform", key=f"{kind}/{name}")


class Marked:
    """The owner mark in KV of one object."""

    def __init__(self, vault: VaultClient, kind: str, name: str, token: str) -> None:
        self._vault = vault
        self._kind = kind
        self._name = name
        self._token = token

    def claim(self, new: Inputs, exists: Callable[[], bool]) -> None:
        """Before a create: put our mark, unless the object exists and isn't ours."""
        self._vault.owner_claim(self._kind, self._name, owner_of_inputs(new), exists=exists, token=self._token)

    def keep(self, old: Inputs, new: Inputs) -> None:
        """Before an update: the object is the old resource's, ours already, or nobody's."""
        found = self._vault.owner_read(self._kind, self._name)
        if found not in {None, owner_of_inputs(old), owner_of_inputs(new)}:
            raise backend.conflict(f"{self._kind} {self._name}", self._token, self._name, found)
        self._vault.owner_write(self._kind, self._name, owner_of_inputs(new))

    def found(self, known: Inputs | None) -> Owner:
        """Return the real mark; without one, "" for a resource in the state, and a presumption for an import."""
        found = self._vault.owner_read(self._kind, self._name)
        return found or (Owner("", "") if known else presumed_owner(self._kind, self._name))

    def ours(self, old: Inputs) -> bool:
        """Say whether a delete may remove the object; an object of somebody else is left alone."""
        return self._vault.owner_read(self._kind, self._name) in {None, owner_of_inputs(old)}

    def release(self) -> None:
        """After a delete: take the mark away."""
        self._vault.owner_release(self._kind, self._name)


def owner_of_inputs(inputs: Inputs) -> Owner:
    """Return the mark that a resource's object carries."""
    return Owner(unit=inputs.unit, key=inputs.key)


def name_failures(name: str, property_name: str = "name") -> Iterator[Failure]:
    """Refuse a name that Vault would bend, or that belongs to the operators."""
    if not _NAME.match(name):
        yield Failure(property_name, f"{name!r} is no name in Vault: use lower-case letters, digits, '-', '_' and '.'")
    elif name in _BUILT_IN:
        yield Failure(property_name, f"{name} is reserved for the operators' own access: choose another name")


def spelled(
    known: tuple[str, ...] | None, found: tuple[str, ...], canonical: Callable[[str], str] = str
) -> tuple[str, ...]:
    """Return the known spelling of a list if it means what was found, so that a refresh shows real drift only."""
    if known is not None and sorted({canonical(text) for text in known}) == sorted(set(found)):
        return known
    return found


def same_set(old: JSON, new: JSON) -> bool:
    """Say whether two lists hold the same values in whatever order."""
    if not isinstance(old, list) or not isinstance(new, list):
        return False
    return sorted(map(str, old)) == sorted(map(str, new))
