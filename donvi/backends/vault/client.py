"""The client that everything else uses: all of Vault's subjects on one connection pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.backends.vault.approles import AppRoles
from donvi.backends.vault.keys import Keys
from donvi.backends.vault.owners import Owners
from donvi.backends.vault.pki import Pki
from donvi.backends.vault.policies import Policies
from donvi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


class VaultClient(Owners, Policies, AppRoles, Pki, Keys):
    """Vault as one token sees it; safe for any number of threads.

    Every method raises :class:`~donvi.errors.PermissionDeniedError` on 403, :class:`~donvi.errors.SealedError` when
    Vault is sealed, :class:`~donvi.errors.ThrottledError` when it asks to slow down for too long,
    :class:`~donvi.errors.UnreachableError` without a verified connection and :class:`~donvi.errors.BackendError`
    for anything else that Vault refuses. HashiCorp Vault and OpenBao answer alike.
    """

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> VaultClient:
        """Make a client from ``VAULT_ADDR``, ``VAULT_TOKEN`` and ``VAULT_CACERT``.

        :raises UsageError: one of them isn't set.
        """
        values = {name: environ.get(name, "") for name in ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_CACERT")}
        if missing := [name for name, value in values.items() if not value]:
            raise UsageError(
                f"{', '.join(missing)} is not set", hint='run `eval "$(uv run donvi lab env)"` in this shell first'
            )
        return cls(values["VAULT_ADDR"], values["VAULT_TOKEN"], values["VAULT_CACERT"])

    def with_token(self, token: str) -> VaultClient:
        """Return a client of the same server as another token."""
        return type(self)(self.address, token, self.ca_file, timeout=self.timeout, patience=self.patience)
