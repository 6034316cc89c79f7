"""Opening an account: the first password, and where whoever may finds it.

The password goes to Vault before it goes to the directory. A run that dies in between leaves a password in Vault that
opens nothing, and the next run issues another; the other order would leave an account that nobody can open.

- A person's is wrapped (one use, 72 hours); the wrapping token lies in KV at ``first-passwords/<id>``. The directory
  demands another password at the first login (``pwdReset``).
- A probe's lies in KV at ``probes/<unit>/<id>``, where the verifier reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from donvi.backends import passwords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from donvi.backends.directory.connection import Directory, Entry

FIRST_PASSWORD_SECONDS = 72 * 3600


class Deposit(Protocol):
    """What is needed of Vault; :class:`donvi.backends.vault.VaultClient` has it."""

    def kv_exists(self, path: str) -> bool:
        """Say whether an entry exists, without reading it."""

    def kv_write(self, path: str, data: Mapping[str, Any]) -> int:
        """Write an entry."""

    def kv_delete(self, path: str) -> None:
        """Remove an entry."""

    def wrap(self, data: Mapping[str, Any], *, ttl_seconds: int) -> str:
        """Wrap values into a token that can be used once."""


def credential_path(unit: str, identifier: str, *, person: bool) -> str:
    """Return the KV path that belongs to an account; the tenancy declares the same."""
    return f"first-passwords/{identifier}" if person else f"probes/{unit}/{identifier}"


def opened(entry: Entry, *, person: bool) -> bool:
    """Say whether an account can be opened: it has a password, and a probe needn't change it first."""
    return bool(entry.one("pwdChangedTime")) and (person or entry.one("pwdReset") != "TRUE")


def ensure_credential(directory: Directory, vault: Deposit, entry: Entry, path: str, *, person: bool) -> None:
    """Give the account a password if it has none, or one that nobody can know any more."""
    unused = not person or entry.one("pwdReset") == "TRUE"
    if opened(entry, person=person) and not (unused and not vault.kv_exists(path)):
        return
    issue(directory, vault, entry, path, person=person)


def issue(directory: Directory, vault: Deposit, entry: Entry, path: str, *, person: bool) -> None:
    """Give the account a new password, whatever it has."""
    if person:
        password = passwords.first_password()
        content = {"account": entry.one("uid"), "password": password}
        deposit = {"wrapping_token": vault.wrap(content, ttl_seconds=FIRST_PASSWORD_SECONDS)}
    else:
        password = passwords.machine_password()
        deposit = {"password": password}
    vault.kv_write(path, deposit)
    must_change = ("TRUE",) if person else ()
    directory.modify(entry.dn, replace={"userPassword": (password,), "pwdReset": must_change})
