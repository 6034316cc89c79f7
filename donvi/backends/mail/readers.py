"""Who reads a functional mailbox: the access list (RFC 4314) of its INBOX, enforced exactly.

Readers see the mailbox in their own IMAP tree and handle its mail together: they read, answer, file and delete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from donvi.backends.mail.doveadm import Doveadm

RIGHTS = frozenset({"lookup", "read", "write", "write-seen", "write-deleted", "insert", "post", "expunge"})
PREFIX = "user="


def real_readers(doveadm: Doveadm, address: str) -> tuple[str, ...]:
    """Return who really reads a mailbox, sorted.

    Somebody with other rights than a reader's, and an identifier that is no user, is returned as ``id: rights``, so
    that it differs from everything that can be declared.
    """
    found = doveadm.acl_get(address)
    return tuple(sorted(_reader(identifier, rights) for identifier, rights in found.items()))


def _reader(identifier: str, rights: frozenset[str]) -> str:
    if identifier.startswith(PREFIX) and rights == RIGHTS:
        return identifier.removeprefix(PREFIX)
    return f"{identifier}: {' '.join(sorted(rights))}"


def ensure_readers(doveadm: Doveadm, address: str, readers: tuple[str, ...]) -> None:
    """Let exactly these people read a mailbox."""
    found = doveadm.acl_get(address)
    wanted = {f"{PREFIX}{reader}" for reader in readers}
    for identifier in sorted(found.keys() - wanted):
        doveadm.acl_delete(address, identifier)
    for identifier in sorted(wanted):
        if found.get(identifier) != RIGHTS:
            doveadm.acl_set(address, identifier, RIGHTS)


def clear_readers(doveadm: Doveadm, address: str) -> None:
    """Let nobody read a mailbox any more."""
    ensure_readers(doveadm, address, ())
