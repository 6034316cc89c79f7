"""Groups: who holds a role on a system. The members are enforced exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from donvi.backends.directory import names
from donvi.backends.directory.entries import Wanted, ensure, optional, remove
from donvi.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Collection

    from donvi.backends.directory.connection import Directory, Entry
    from donvi.backends.directory.marks import Mark

RESOURCE = "donvi:directory:Group"
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class GroupSpec:
    """A group and the names of all its members, in any order."""

    dn: str
    description: str
    members: tuple[str, ...]
    mark: Mark


def ensure_group(directory: Directory, spec: GroupSpec, accepted: Collection[Mark] | None = None) -> Entry:
    """Make the group, or bring its members to exactly those wanted.

    :raises ConflictError: a group of that name isn't ours.
    :raises BackendError: a member doesn't exist; the message names it and the group.
    """
    enforced = {
        "cn": (names.relative(spec.dn).value,),
        "description": optional(spec.description),
        "member": spec.members,
    }
    wanted = Wanted(RESOURCE, spec.dn, ("donviGroup",), enforced, spec.mark)
    try:
        return ensure(directory, wanted, accepted)
    except BackendError as error:
        # the directory refuses a member that isn't there, without saying which
        missing = [member for member in spec.members if directory.get(member, ("uid",)) is None]
        if not missing:
            raise
        listed = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else "")
        raise BackendError(
            f"group {spec.dn} can't have members that don't exist: {listed}",
            hint="create these accounts first (depend on them), or take them out of the group",
        ) from error


def remove_group(directory: Directory, dn: str, mark: Mark) -> None:
    """Delete the group; one that is gone is success.

    :raises ConflictError: the group isn't ours.
    """
    remove(directory, dn, {mark}, RESOURCE)
