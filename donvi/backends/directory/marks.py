"""Owner marks: every entry says which unit owns it and under which logical id.

An entry is changed or removed only by its owner. Making an entry that exists adopts it if it carries the maker's own
mark; anything else is an error whose remedy is an import.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from donvi.errors import BackendError, ConflictError

if TYPE_CHECKING:
    from collections.abc import Collection

    from donvi.backends.directory.connection import Entry

OBJECT_CLASS = "donviObject"
SINCE = "donviRetainedSince"
_GENERALIZED_TIME = "%Y%m%d%H%M%SZ"  # RFC 4517, as the directory and donvi write it


class Mark(NamedTuple):
    """Whose an entry is: the unit's code (or ``platform``) and the logical id inside the unit; empty for nobody's."""

    unit: str
    key: str

    @property
    def attributes(self) -> dict[str, tuple[str, ...]]:
        """The mark as attributes of an entry."""
        return {"donviUnit": (self.unit,), "donviKey": (self.key,)}


NOBODY = Mark("", "")


def mark_of(entry: Entry) -> Mark:
    """Return an entry's mark, :data:`NOBODY` if it has none."""
    return Mark(entry.one("donviUnit"), entry.one("donviKey"))


def since(moment: datetime | None = None) -> dict[str, tuple[str, ...]]:
    """Return the attribute that says when an entry was given up; now unless told otherwise."""
    return {SINCE: ((moment or datetime.now(UTC)).astimezone(UTC).strftime(_GENERALIZED_TIME),)}


def retained_since(entry: Entry) -> datetime:
    """Return when a retained entry was given up.

    One that was given up before entries said so counts from its last change (``modifyTimestamp``, which must have been
    asked for): that is never too early.

    :raises BackendError: the entry says neither.
    """
    text = entry.one(SINCE) or entry.one("modifyTimestamp")
    try:
        return datetime.strptime(text, _GENERALIZED_TIME).replace(tzinfo=UTC)
    except ValueError:
        raise BackendError(
            f"{entry.dn} doesn't say since when it is kept: {text!r} isn't such a time",
            hint=f"write its {SINCE} like 20260131235959Z",
        ) from None


def require_own(entry: Entry, accepted: Collection[Mark], resource: str) -> None:
    """Refuse an entry that isn't ours.

    :param accepted: the marks that make it ours.
    :param resource: token of the resource type, for the remedy.
    :raises ConflictError: it carries another mark, or none.
    """
    found = mark_of(entry)
    if found in accepted:
        return
    whose = "carries no owner mark" if found == NOBODY else f"belongs to unit {found.unit}, key {found.key}"
    wanted = next(iter(accepted))
    raise ConflictError(
        f"{entry.dn} exists already and {whose}, not to unit {wanted.unit}, key {wanted.key}",
        hint=f"run `pulumi import {resource} NAME '{entry.dn}'` if it shall be this resource, else choose another name",
    )
