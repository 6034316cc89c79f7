"""Mail of mailboxes that were given up: removed for good.

Dovecot knows a retained mailbox by another name than an active one and answers to it on its administration API only
(``playbooks/roles/mail``). A mailbox that its owner got back meanwhile has no such name any more: whatever comes late
finds nothing to delete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.errors import BackendError

if TYPE_CHECKING:
    from donvi.backends.mail.doveadm import Doveadm

PREFIX = "retained_"
INBOX = "INBOX"
OTHERS = "shared/"  # namespace of what other mailboxes share


def empty_store(doveadm: Doveadm, address: str) -> bool:
    """Delete all mail and all folders of a retained mailbox; only an empty INBOX stays.

    :return: False, and nothing was deleted, if no mailbox of this address is retained.
    :raises BackendError: Dovecot fails, or messages are left.
    """
    store = f"{PREFIX}{address}"
    folders = doveadm.folders(store)
    if folders is None:
        return False
    for folder in sorted(folders, reverse=True):  # the inner ones first
        if folder != INBOX and not folder.startswith(OTHERS):
            doveadm.delete_folder(store, folder)
    doveadm.empty_inbox(store)
    left = doveadm.messages(store)
    if left:
        raise BackendError(
            f"{left} messages of the retained mailbox {address} are still there",
            hint="its log says why: `journalctl -u dovecot` on its machine; then run again",
        )
    return True
