"""The city's mail: mailboxes and aliases as directory entries, and who reads functional mailboxes, told to Dovecot.

Postfix and Dovecot look everything else up in the directory themselves, so making an entry is all it takes to make a
mailbox. In: these entries, their retention, Dovecot's administration API. Out: sending and reading mail (that is what
the acceptance suite does) and everything of Pulumi.
"""

from donvi.backends.mail.aliases import AliasSpec, ensure_alias, remove_alias
from donvi.backends.mail.doveadm import Doveadm
from donvi.backends.mail.mailboxes import ACTIVE, MailboxSpec, ensure_mailbox, retire_mailbox
from donvi.backends.mail.readers import clear_readers, ensure_readers, real_readers
from donvi.backends.mail.stores import empty_store

__all__ = [
    "ACTIVE",
    "AliasSpec",
    "Doveadm",
    "MailboxSpec",
    "clear_readers",
    "empty_store",
    "ensure_alias",
    "ensure_mailbox",
    "ensure_readers",
    "real_readers",
    "remove_alias",
    "retire_mailbox",
]
