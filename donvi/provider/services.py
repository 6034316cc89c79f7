"""The connections that handlers work with, made when first asked for and shared by all threads of a provider process.

Nothing is imported or opened before it is used: a provider that only checks and diffs loads no client library.
Addresses come from the deployment, who we are comes from the environment (``VAULT_TOKEN`` and ``VAULT_CACERT``), every
other credential is read from Vault's KV when it is needed.
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from donvi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from donvi.backends.directory import Directory
    from donvi.backends.dns import DnsReader, DnsUpdater
    from donvi.backends.kubernetes.client import KubernetesClient
    from donvi.backends.machines import PlaybookResult, PlaybookRun, SshRunner
    from donvi.backends.mail import Doveadm
    from donvi.backends.vault import VaultClient
    from donvi.deployment import Deployment

T = TypeVar("T")

LAB_REMEDY = 'run `eval "$(uv run donvi lab env)"` first'
CLOCK_VARIABLE = "DONVI_CLOCK"


class Clients:
    """What was opened, by name; the services of several engines may share one."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Make a client once, without holding up threads that want another one."""
        with self._lock:
            if name in self._made:
                return cast("T", self._made[name])
            making = self._making.setdefault(name, threading.Lock())
        with making:
            if name not in self._made:
                self._made[name] = make()
            return cast("T", self._made[name])

    def close(self) -> None:
        """Close every client that has something to close."""
        with self._lock:
            made, self._made = list(self._made.values()), {}
        for client in made:
            close = getattr(client, "close", None)
            if close is not None:
                close()


class Services:
    """Lazily made clients of the real systems; every property may be used from any thread.

    :param deployment: where the systems are.
    :param environ: the process environment, injected for tests.
    :param cancelled: set when the person interrupted the run; long waits look at it.
    :param clients: shared with services of the same deployment; closed by whoever made them.
    """

    def __init__(
        self,
        deployment: Deployment,
        environ: Mapping[str, str] | None = None,
        cancelled: threading.Event | None = None,
        clients: Clients | None = None,
    ) -> None:
        self.deployment = deployment
        self.environ = os.environ if environ is None else environ
        self.cancelled = cancelled or threading.Event()
        self._shared = clients is not None
        self._clients = clients or Clients()

    def clock(self) -> datetime:
        """Return the current time in UTC, or the one that ``DONVI_CLOCK`` (RFC 3339) injects."""
        injected = self.environ.get(CLOCK_VARIABLE, "")
        return datetime.fromisoformat(injected) if injected else datetime.now(UTC)

    @property
    def ca_file(self) -> str:
        """Path of the CA that every server's certificate is verified with."""
        return self._variable("VAULT_CACERT")

    @property
    def vault(self) -> VaultClient:
        """Vault, as whoever started the run."""

        def make() -> VaultClient:
            from donvi.backends.vault import VaultClient

            return VaultClient(self.deployment.vault.address, self._variable("VAULT_TOKEN"), self.ca_file)

        return self._once("vault", make)

    @property
    def directory_read(self) -> Directory:
        """The directory, bound as the account that only reads; a preview has no other."""
        return self._once("directory/read", lambda: self._directory("read"))

    @property
    def directory_write(self) -> Directory:
        """The directory, bound as the account that writes; reading its password needs the role ``apply``."""
        return self._once("directory/write", lambda: self._directory("write"))

    @property
    def doveadm(self) -> Doveadm:
        """Dovecot's administration API."""

        def make() -> Doveadm:
            from donvi.backends.mail import Doveadm

            key = self._secret("backends/mail/doveadm")["api_key"]
            return Doveadm(self.deployment.mail.doveadm, key, self.ca_file)

        return self._once("doveadm", make)

    @property
    def dns_reader(self) -> DnsReader:
        """The primary name server as anybody sees it."""

        def make() -> DnsReader:
            from donvi.backends.dns import DnsReader

            return DnsReader(self.deployment.dns.server, self.deployment.dns.port)

        return self._once("dns/read", make)

    def dns(self, credential: str) -> DnsUpdater:
        """Return the updater that signs with the TSIG key at a KV path, e.g. ``backends/dns/tsig/26506``."""

        def make() -> DnsUpdater:
            from donvi.backends.dns import DnsUpdater, Tsig

            secret = self._secret(credential)
            tsig = Tsig(name=secret["name"], algorithm=secret["algorithm"], secret=secret["secret"])
            return DnsUpdater(self.deployment.dns.server, self.deployment.dns.port, tsig)

        return self._once(f"dns/{credential}", make)

    @property
    def ssh(self) -> SshRunner:
        """Machines over SSH, with a key that Vault signs for this run; a preview's token can't."""

        def make() -> SshRunner:
            from donvi.backends.machines import SshRunner

            return SshRunner(self.deployment, self.vault, self._variable("DONVI_KNOWN_HOSTS"))

        return self._once("ssh", make)

    def play(self, spec: PlaybookRun, *, check: bool, timeout: float) -> PlaybookResult:
        """Run a playbook on machines, or with ``check`` only look what it would change; see ``run_playbook``."""
        from donvi.backends.machines import run_playbook

        return run_playbook(spec, ssh=self.ssh, check=check, cancelled=self.cancelled.is_set, timeout=timeout)

    @property
    def kubernetes(self) -> KubernetesClient:
        """The cluster, with a certificate that Vault signs for the role of this run's token.

        :raises UsageError: the deployment has no cluster.
        """

        def make() -> KubernetesClient:
            from donvi.backends.client_certificate import issue
            from donvi.backends.kubernetes.client import KubernetesClient
            from donvi.kubeconfig import place

            cluster = place(self.deployment)
            address, token = self.deployment.vault.address, self._variable("VAULT_TOKEN")
            return KubernetesClient(cluster.server, cluster.ca, lambda: issue(address, token, self.ca_file))

        return self._once("kubernetes", make)

    def close(self) -> None:
        """Close every client that was opened here and has something to close."""
        if not self._shared:
            self._clients.close()

    def _directory(self, role: str) -> Directory:
        from donvi.backends.directory import Directory

        secret = self._secret(f"backends/directory/{role}")
        return Directory(self.deployment.directory.url, secret["bind_dn"], secret["password"], self.ca_file)

    def _secret(self, path: str) -> Mapping[str, str]:
        secret = self.vault.kv_read(path)
        if secret is None:
            raise UsageError(
                f"Vault holds nothing at kv/{path}",
                hint="the datacentre playbook writes the back ends' credentials: run `make up`",
            )
        return cast("Mapping[str, str]", secret)

    def _variable(self, name: str) -> str:
        value = self.environ.get(name, "")
        if not value:
            raise UsageError(f"{name} is not set", hint=LAB_REMEDY)
        return value

    def _once(self, name: str, make: Callable[[], T]) -> T:
        return self._clients.once(name, make)
