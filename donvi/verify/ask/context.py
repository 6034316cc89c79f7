"""What every question needs: the tenancy, the addresses, and who is asking."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from donvi.deployment import parse, text_from_environment
from donvi.errors import BackendError, PermissionDeniedError, UsageError
from donvi.verify.ask import InconclusiveError, places
from donvi.verify.ask.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from donvi.backends.machines import SshRunner
    from donvi.backends.vault import VaultClient
    from donvi.registry import City
    from donvi.tenancy.model import Account, Endpoint, Tenancy

VERIFY_TOKEN_ROLE = "verify"  # noqa: S105 - a name
VERIFY_TOKEN_SECONDS = 600


class Context:
    """One run's connections; made when first used, safe in threads.

    :param city: the data that the tenancy was derived from.
    :param tenancy: what must be true.
    :param environ: the suite's environment.
    """

    def __init__(self, city: City, tenancy: Tenancy, environ: Mapping[str, str]) -> None:
        self.city = city
        self.tenancy = tenancy
        self.deployment = parse(text_from_environment(environ), source=environ["DONVI_DEPLOYMENT"])
        self.ca_file = environ["VAULT_CACERT"]
        self._environ = environ
        self._lock = threading.RLock()
        self._operator: VaultClient | None = None
        self._verifier: VaultClient | None = None
        self._verifier_token = ""
        self._ssh: SshRunner | None = None
        self._passwords: dict[str, Secret | None] = {}

    @property
    def machines(self) -> tuple[Endpoint, ...]:
        """The unit's machines that can be asked from and are in this lab."""
        return tuple(machine for machine in places.machines(self.tenancy) if self.deployment.has(machine.id))

    @property
    def operator(self) -> VaultClient:
        """Vault as whoever started the run."""
        with self._lock:
            if self._operator is None:
                from donvi.backends.vault import VaultClient  # loads hvac

                self._operator = VaultClient(self.deployment.vault.address, self._environ["VAULT_TOKEN"], self.ca_file)
            return self._operator

    @property
    def verifier(self) -> VaultClient:
        """Vault as the verifier, with a token of its own that may read probe accounts' passwords.

        :raises InconclusiveError: the caller's token can't have one, or Vault doesn't answer.
        """
        with self._lock:
            if self._verifier is None:
                self._verifier = self.operator.with_token(self.verifier_token)
            return self._verifier

    @property
    def verifier_token(self) -> str:
        """The verifier's own token, for programs that log in to Vault themselves.

        :raises InconclusiveError: the caller's token can't have one, or Vault doesn't answer.
        """
        with self._lock:
            if not self._verifier_token:
                self._verifier_token = self._minted()
            return self._verifier_token

    def password(self, account: Account) -> Secret | None:
        """Return a probe account's password; ``None`` when nobody ever made one.

        :raises InconclusiveError: Vault doesn't answer, or not to us.
        """
        with self._lock:
            if account.id in self._passwords:
                return self._passwords[account.id]
        found = self._read_password(account)
        with self._lock:
            self._passwords[account.id] = found
        return found

    @property
    def ssh(self) -> SshRunner:
        """Machines over SSH, with a key that Vault signs for this run and a pinned known_hosts."""
        with self._lock:
            if self._ssh is None:
                from donvi.backends.machines import SshRunner

                self._ssh = SshRunner(self.deployment, self.operator, self._environ["DONVI_KNOWN_HOSTS"])
            return self._ssh

    def close(self) -> None:
        """Drop the connections and the run's SSH key."""
        with self._lock:
            if self._ssh is not None:
                self._ssh.close()

    def _minted(self) -> str:
        try:
            return self.operator.token_create(VERIFY_TOKEN_ROLE, ttl_seconds=VERIFY_TOKEN_SECONDS)
        except PermissionDeniedError:
            raise InconclusiveError(
                "this token may not verify: probe accounts' passwords are readable by the verifier only",
                hint='take a token of the role apply: `eval "$(uv run donvi lab env)"`',
            ) from None
        except BackendError as error:
            raise InconclusiveError(f"Vault gives no verifier's token: {error}") from None

    def _read_password(self, account: Account) -> Secret | None:
        try:
            found = self.verifier.kv_read(account.credential)
        except (BackendError, UsageError) as error:
            raise InconclusiveError(f"the password of {account.id} can't be read: {error}") from None
        return Secret(str(found["password"])) if found and "password" in found else None
