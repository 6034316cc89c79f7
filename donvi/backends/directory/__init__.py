"""The city's directory (LDAP): connections, names, and what donvi keeps there.

In: the entries that donvi owns (units' containers, accounts, groups) and the rules for making, finding, adopting and
retiring them, and for opening accounts. Out: mail entries (``donvi.backends.mail`` writes them through
:class:`Directory`) and everything of Pulumi. Every entry carries an owner mark, see
:mod:`donvi.backends.directory.marks`.
"""

from donvi.backends.directory import names
from donvi.backends.directory.accounts import AccountSpec, ensure_account, leave_groups, remove_account, retire_account
from donvi.backends.directory.connection import Directory, Entry
from donvi.backends.directory.containers import ContainerSpec, ensure_container, remove_container
from donvi.backends.directory.credentials import credential_path, ensure_credential, issue, opened
from donvi.backends.directory.groups import GroupSpec, ensure_group, remove_group
from donvi.backends.directory.marks import NOBODY, Mark, mark_of, retained_since

__all__ = [
    "NOBODY",
    "AccountSpec",
    "ContainerSpec",
    "Directory",
    "Entry",
    "GroupSpec",
    "Mark",
    "credential_path",
    "ensure_account",
    "ensure_container",
    "ensure_credential",
    "ensure_group",
    "issue",
    "leave_groups",
    "mark_of",
    "names",
    "opened",
    "remove_account",
    "remove_container",
    "remove_group",
    "retained_since",
    "retire_account",
]
