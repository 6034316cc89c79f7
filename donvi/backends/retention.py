"""What units gave up and the city keeps: person accounts and mailboxes below ``ou=retained``, until they are purged.

In: looking at what is kept, and removing it for good. Out: giving up and taking back (the accounts and mailboxes
themselves do that). Only what carries an owner mark counts; whatever else lies there is somebody's own doing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from donvi.backends.directory import mark_of, names, retained_since
from donvi.backends.mail import empty_store
from donvi.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from donvi.backends.directory import Directory, Entry
    from donvi.backends.mail import Doveadm

Kind = Literal["account", "mailbox"]
_CLASSES: dict[str, Kind] = {"posixaccount": "account", "donvimailbox": "mailbox"}
_READ = ("objectClass", "uid", "cn", "mail", "displayName", "donviUnit", "donviKey", "donviRetainedSince",
         "modifyTimestamp", "entryUUID")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An account or a mailbox that is kept.

    :ivar name: employee id or address; ``label`` is the name people read.
    :ivar since: when its unit gave it up.
    """

    kind: Kind
    name: str
    label: str
    unit: str
    key: str
    since: datetime
    dn: str
    uuid: str


def find_kept(directory: Directory, base: str, *, before: datetime | None = None, unit: str = "") -> list[Kept]:
    """Return what is kept, in the order in which it may be removed: mailboxes before accounts, the oldest first.

    A mailbox goes before its owner: otherwise a run that dies in between would leave mail to the owner's next account.

    :param base: the city's base in the directory.
    :param before: only what was given up before this moment.
    :param unit: only what this unit (its code) gave up.
    """
    classes = names.either(names.equals("objectClass", "posixAccount"), names.equals("objectClass", "donviMailbox"))
    owned = names.equals("donviUnit", unit) if unit else "(donviUnit=*)"
    entries = directory.search(
        names.child("ou", "retained", base), names.both(classes, owned), scope="one", attributes=_READ
    )
    found = [_kept(entry) for entry in entries]
    chosen = [one for one in found if before is None or one.since < before]
    return sorted(chosen, key=lambda one: (one.kind != "mailbox", one.since, one.name))


def _kept(entry: Entry) -> Kept:
    kind = next(_CLASSES[name.lower()] for name in entry.all("objectClass") if name.lower() in _CLASSES)
    owner = mark_of(entry)
    return Kept(
        kind=kind,
        name=entry.one("uid" if kind == "account" else "mail"),
        label=entry.one("cn" if kind == "account" else "displayName"),
        unit=owner.unit,
        key=owner.key,
        since=retained_since(entry),
        dn=entry.dn,
        uuid=entry.one("entryUUID"),
    )


def purge(directory: Directory, doveadm: Doveadm, chosen: Iterable[Kept]) -> Iterator[tuple[Kept, bool]]:
    """Remove for good what was chosen, one after the other, and say of each whether it was removed.

    What its unit took back meanwhile is left alone. The mail goes before the entry that leads to it, so that a run that
    dies in between leaves nothing which the next one doesn't find; every step may be repeated.

    :raises BackendError: a server refused or failed; what was yielded is done, the rest is as it was.
    """
    for one in chosen:
        yield one, _still_kept(directory, one) and _remove(directory, doveadm, one)


def _still_kept(directory: Directory, one: Kept) -> bool:
    entry = directory.get(one.dn, _READ)
    return entry is not None and entry.one("entryUUID") == one.uuid and retained_since(entry) == one.since


def _remove(directory: Directory, doveadm: Doveadm, one: Kept) -> bool:
    if one.kind == "mailbox" and not empty_store(doveadm, one.name):
        if not _still_kept(directory, one):
            return False
        raise BackendError(
            f"{one.dn} is kept but the mail server doesn't know it as retained",
            hint="its donviMailState must be retained; the datacentre playbook configures the server: run `make up`",
        )
    return directory.delete(one.dn)
