"""Mailboxes as entries of the directory, which Postfix and Dovecot look up.

A mailbox that is given up receives nothing any more and its mail is kept: the entry says ``retained`` and lies below
``ou=retained``. Making it again, for the same owner, brings it back with all its mail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from donvi.backends.directory import names
from donvi.backends.directory.entries import Wanted, ensure, optional
from donvi.backends.directory.marks import SINCE, require_own, since

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from donvi.backends.directory import Directory, Entry, Mark

RESOURCE = "donvi:mail:Mailbox"
STATE = "donviMailState"
ACTIVE = "active"
RETAINED = "retained"


@dataclass(frozen=True, kw_only=True)
class MailboxSpec:
    """A mailbox; ``readers`` are the addresses of those who read a functional one."""

    dn: str
    address: str
    kind: str  # personal | functional | probe
    display_name: str
    owner_dn: str  # the account that logs in; "" for a functional mailbox
    readers: tuple[str, ...]
    quota_mb: int
    mark: Mark


def _wanted(spec: MailboxSpec) -> Wanted:
    enforced = {
        "mail": (spec.address,),
        "displayName": optional(spec.display_name),
        "donviMailKind": (spec.kind,),
        "donviMailOwner": optional(spec.owner_dn),
        "donviMailReader": spec.readers,
        "donviMailQuota": (str(spec.quota_mb),),
        STATE: (ACTIVE,),
        SINCE: (),
    }
    return Wanted(RESOURCE, spec.dn, ("donviMailbox",), enforced, spec.mark)


def ensure_mailbox(directory: Directory, spec: MailboxSpec, accepted: Collection[Mark] | None = None) -> Entry:
    """Make the mailbox, or bring it back from ``ou=retained``.

    :raises ConflictError: the address is, or was, somebody else's: their mail isn't given away.
    """
    if directory.get(spec.dn) is None:
        kept = directory.get(names.retained(spec.dn))
        if kept is not None:
            require_own(kept, accepted or {spec.mark}, RESOURCE)
            directory.rename(kept.dn, spec.dn)
    return ensure(directory, _wanted(spec), accepted)


def retire_mailbox(directory: Directory, dn: str, mark: Mark, moment: datetime | None = None) -> None:
    """Let the mailbox receive nothing any more and keep its mail; one that is retired or gone is success.

    :param moment: when it is given up; now unless told otherwise.
    :raises ConflictError: the mailbox isn't ours.
    """
    entry = directory.get(dn)
    if entry is None:
        return
    require_own(entry, {mark}, RESOURCE)
    directory.modify(dn, replace={STATE: (RETAINED,), **since(moment)})
    directory.rename(dn, names.retained(dn))
