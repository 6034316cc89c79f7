"""Accounts of people and probes: one entry for one employee, wherever it is moved.

A person's account is never deleted: when its unit gives it up it is locked, moved below ``ou=retained`` and taken out
of every group. Making it again, for that unit or for the one the person moved to, brings the same entry back (same
``entryUUID``, same password). A probe's account is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from donvi.backends.directory import names
from donvi.backends.directory.entries import Wanted, ensure, optional, remove
from donvi.backends.directory.marks import NOBODY, SINCE, Mark, mark_of, require_own, since
from donvi.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from donvi.backends.directory.connection import Directory, Entry

RESOURCE = "donvi:directory:Account"
CLASSES = ("inetOrgPerson", "posixAccount")
LOCK = "pwdAccountLockedTime"
LOCKED_FOR_GOOD = "000001010000Z"
"""A lock that no time lifts (draft-behera-ldap-password-policy, section 5.3.3)."""


@dataclass(frozen=True, kw_only=True)
class AccountSpec:
    """An account's enforced attributes; the password isn't one of them."""

    dn: str
    uid: str
    person: bool  # otherwise a probe
    common_name: str
    given_name: str
    surname: str
    title: str
    mail: str
    uid_number: int
    mark: Mark


def _wanted(spec: AccountSpec) -> Wanted:
    number = (str(spec.uid_number),)
    enforced = {
        "uid": (spec.uid,),
        "cn": (spec.common_name,),
        "givenName": optional(spec.given_name),
        "sn": (spec.surname,),
        "title": optional(spec.title),
        "mail": optional(spec.mail),
        "uidNumber": number,
        "gidNumber": number,
        "homeDirectory": ("/nonexistent",),
        SINCE: (),
    }
    return Wanted(RESOURCE, spec.dn, CLASSES, enforced, spec.mark)


def ensure_account(directory: Directory, spec: AccountSpec, accepted: Collection[Mark] | None = None) -> Entry:
    """Make the account, move it here from where it is, or bring it back from ``ou=retained``.

    :param accepted: marks that an existing account may carry; its own only, unless told otherwise.
    :raises ConflictError: another unit has this person, or an entry of that name isn't ours.
    """
    marks = set(accepted or ()) | {spec.mark}
    elsewhere = _find(directory, spec)
    if elsewhere is not None:
        _bring(directory, spec, elsewhere, marks)
    entry = ensure(directory, _wanted(spec), marks)
    if entry.one(LOCK) == LOCKED_FOR_GOOD and accepted is None:
        directory.modify(spec.dn, replace={LOCK: ()})
    return entry


def _find(directory: Directory, spec: AccountSpec) -> Entry | None:
    """Return the account of this id if it lies elsewhere than wanted."""
    by_id = names.both(names.equals("objectClass", "posixAccount"), names.equals("uid", spec.uid))
    found = directory.search(names.base_of(spec.dn), by_id)
    if not found or any(names.same(entry.dn, spec.dn) for entry in found):
        return None
    return found[0]


def _bring(directory: Directory, spec: AccountSpec, entry: Entry, marks: set[Mark]) -> None:
    given_up = names.same(entry.dn, names.retained(spec.dn))
    if mark_of(entry) not in marks:
        if not (given_up and spec.person):
            raise ConflictError(
                f"{spec.uid} has an account already, {entry.dn}, of unit {mark_of(entry).unit or 'nobody'}",
                hint="take the person off that unit's roster and run its stack first; the account then moves here",
            )
        # the new owner is written before the move, so that a run that dies in between is finished by the next
        directory.modify(entry.dn, replace=spec.mark.attributes)
    directory.rename(entry.dn, spec.dn)


def retire_account(directory: Directory, dn: str, mark: Mark, moment: datetime | None = None) -> None:
    """Lock a person's account, move it below ``ou=retained`` and take it out of every group.

    Every step may be repeated; an account that is retired or gone already is success.

    :param moment: when it is given up; now unless told otherwise.
    :raises ConflictError: the account isn't ours.
    """
    kept = names.retained(dn)
    entry = directory.get(dn)
    if entry is not None:
        require_own(entry, {mark}, RESOURCE)
        if mark == NOBODY:
            raise ConflictError(f"{dn} carries no owner mark", hint="run `pulumi up` first, which marks it as its own")
        directory.modify(dn, replace={LOCK: (LOCKED_FOR_GOOD,), **since(moment)})
        directory.rename(dn, kept)
    elif (retired := directory.get(kept)) is None or mark_of(retired) != mark:
        return
    directory.modify(kept, replace={LOCK: (LOCKED_FOR_GOOD,)})
    leave_groups(directory, dn, kept)


def leave_groups(directory: Directory, *members: str) -> None:
    """Take entries out of every group. Names of moved entries change in the background, so give old and new ones."""
    filter_text = names.either(*(names.equals("member", member) for member in members))
    base = names.base_of(members[0])
    while groups := directory.search(base, filter_text, attributes=("member",)):
        for group in groups:
            for listed in group.all("member"):
                if any(names.same(listed, member) for member in members):
                    directory.modify(group.dn, remove={"member": (listed,)})


def remove_account(directory: Directory, dn: str, mark: Mark) -> None:
    """Delete a probe's account for good; one that is gone is success.

    :raises ConflictError: the account isn't ours.
    """
    remove(directory, dn, {mark}, RESOURCE)
