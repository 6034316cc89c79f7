"""Servers of the tests' own on loopback, started once per session; ``tests/backends/conftest.py`` offers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from donvi.backends.vault import PathRule
from donvi.deployment import Deployment, DirectoryPlace, DnsPlace, Machine, MailPlace, VaultPlace
from donvi.provider.handlers.vault import (
    LoginGroupHandler,
    LoginGroupInputs,
    PkiRoleHandler,
    PkiRoleInputs,
    PolicyHandler,
    PolicyInputs,
)
from donvi.provider.services import Services
from tests.support import directory_server, dns_server, ssh_server, vault_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.provider.handler import Handler
    from tests.support.directory_server import DirectoryServer
    from tests.support.dns_server import DnsServer
    from tests.support.ssh_server import SshServer
    from tests.support.vault_server import VaultServer


@pytest.fixture(scope="session")
def own_vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultServer]:
    """A Vault in memory; OpenBao, or what ``DONVI_TEST_VAULT`` names."""
    with vault_server.running(tmp_path_factory.mktemp("vault")) as server:
        yield server


@pytest.fixture(scope="session")
def own_directory(tmp_path_factory: pytest.TempPathFactory, own_vault: VaultServer) -> Iterator[DirectoryServer]:
    """A slapd with two units, by whose accounts people log in to the own Vault, each unit with its own group there."""
    with directory_server.running(tmp_path_factory.mktemp("slapd"), own_vault.authority) as server:
        own_vault.root.post("auth/ldap/config", directory_server.login_settings(server, own_vault.authority))
        yield server


@pytest.fixture(scope="session")
def own_people(own_vault: VaultServer, own_directory: DirectoryServer) -> Iterator[None]:  # noqa: ARG001 - logs in by it
    """What the stacks of both units make in Vault for their people."""
    services = run_services(own_vault, "apply")
    made: list[tuple[Handler[Any], Any]] = []
    for code in directory_server.UNITS:
        name = f"unit-{code}-person"
        path = PathRule(path=f"pki-cluster/sign/{name}", capabilities=("update",), denied=("not_after",))
        role = PkiRoleInputs(
            unit=code, key="role", mount="pki-cluster", name=name, client=True, server=False, max_ttl_hours=1,
            organization=f"unit:{code}:web-portal-admin", login="ldap",
        )  # fmt: skip
        policy = PolicyInputs(unit=code, key="policy", name=name, rules=(path,))
        group = LoginGroupInputs(unit=code, key="group", method="ldap", name=code, policies=(name,))
        made += [(PkiRoleHandler(), role), (PolicyHandler(), policy), (LoginGroupHandler(), group)]
    ids = [(handler, handler.create(services, inputs).id, inputs) for handler, inputs in made]
    yield
    for handler, identifier, inputs in ids:
        handler.delete(services, identifier, inputs)
    services.close()


@pytest.fixture(scope="session")
def own_dns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsServer]:
    """A Knot with the zone ``tphcm.test`` and two units' TSIG keys."""
    with dns_server.running(tmp_path_factory.mktemp("knot")) as server:
        yield server


@pytest.fixture(scope="session")
def own_machine(tmp_path_factory: pytest.TempPathFactory, own_vault: VaultServer) -> Iterator[SshServer]:
    """An sshd that trusts the own Vault's SSH key; its scripts run on this host."""
    with ssh_server.running(tmp_path_factory.mktemp("sshd"), own_vault) as server:
        yield server


def deployment(address: str = "127.0.0.1", port: int = 1, *, vault: str = "", dns: int = 1) -> Deployment:
    """Return a deployment whose machine ``gw-26506`` and servers are on loopback."""
    return Deployment(
        city_domain="tphcm.test",
        vault=VaultPlace(vault),
        directory=DirectoryPlace(""),
        mail=MailPlace("", "", "", ""),
        dns=DnsPlace(address, dns),
        machines={"gw-26506": Machine(address, port)},
    )


def run_services(
    vault: VaultServer, policy: str, *, machine: SshServer | None = None, dns: DnsServer | None = None, clock: str = ""
) -> Services:
    """Return what a provider process works with, as a token of that policy."""
    environ = {
        "VAULT_TOKEN": vault.token(policy),
        "VAULT_CACERT": vault.ca_file,
        "DONVI_KNOWN_HOSTS": str(machine.known_hosts) if machine else "",
        "DONVI_CLOCK": clock,
    }
    place = deployment(port=machine.port if machine else 1, vault=vault.address, dns=dns.port if dns else 1)
    return Services(place, environ)
