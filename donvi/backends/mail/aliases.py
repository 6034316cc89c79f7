"""Aliases: addresses that deliver to a mailbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from donvi.backends.directory.entries import Wanted, ensure, remove

if TYPE_CHECKING:
    from collections.abc import Collection

    from donvi.backends.directory import Directory, Entry, Mark

RESOURCE = "donvi:mail:Alias"


@dataclass(frozen=True, kw_only=True)
class AliasSpec:
    """An address and where its mail goes."""

    dn: str
    address: str
    target: str
    mark: Mark


def ensure_alias(directory: Directory, spec: AliasSpec, accepted: Collection[Mark] | None = None) -> Entry:
    """Make the alias, or point it to its target.

    :raises ConflictError: the address is somebody else's alias or mailbox.
    """
    enforced = {"mail": (spec.address,), "donviMailTarget": (spec.target,)}
    return ensure(directory, Wanted(RESOURCE, spec.dn, ("donviMailAlias",), enforced, spec.mark), accepted)


def remove_alias(directory: Directory, dn: str, mark: Mark) -> None:
    """Delete the alias; one that is gone is success.

    :raises ConflictError: the alias isn't ours.
    """
    remove(directory, dn, {mark}, RESOURCE)
