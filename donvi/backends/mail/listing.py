"""Dovecot for a look at everything: the access lists of many mailboxes by few requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from donvi.backends.mail.doveadm import Doveadm

if TYPE_CHECKING:
    from collections.abc import Iterable

AT_ONCE = 50
"""Mailboxes asked for in one request; Dovecot opens them one after the other."""


class ListedAccess(Doveadm):
    """Dovecot with access lists that were read beforehand; an unknown one is asked for as usual."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._lists: dict[str, list[dict[str, Any]] | dict[str, Any]] = {}

    def load(self, addresses: Iterable[str]) -> None:
        """Read the access lists of mailboxes' INBOX.

        :raises UnreachableError: nobody answers; :raises PermissionDeniedError: the key isn't the server's.
        """
        wanted = sorted(set(addresses))
        for first in range(0, len(wanted), AT_ONCE):
            part = wanted[first : first + AT_ONCE]
            commands = [["aclGet", {"user": address, "mailbox": "INBOX"}, address] for address in part]
            for kind, content, address in self._post("aclGet", commands):
                self._lists[address] = list(content) if kind == "doveadmResponse" else dict(content)

    def acl_get(self, address: str, mailbox: str = "INBOX") -> dict[str, frozenset[str]]:
        """Return who may do what with a mailbox; see :meth:`Doveadm.acl_get`."""
        found = self._lists.get(address) if mailbox == "INBOX" else None
        if found is None:
            return super().acl_get(address, mailbox)
        if isinstance(found, dict):
            raise self._failed("aclGet", address, found)
        return {str(one["id"]): frozenset(str(one["rights"]).split()) for one in found}
