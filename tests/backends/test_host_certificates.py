"""Certificates of SSH host keys: signed by Vault for the machine's names, kept while good, renewed in time."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from donvi.backends.machines import SshRunner, host_certificate
from donvi.backends.machines.host_certificate import WANTED
from donvi.errors import PermissionDeniedError
from tests.support.fixtures import deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.backends.machines import HostCertificate
    from tests.support.ssh_server import SshServer
    from tests.support.vault_server import VaultServer

MACHINE = "gw-26506"
KEY = "/etc/ssh/ssh_host_ed25519_key"
MAKE = f"mkdir -p /etc/ssh; rm -f {KEY}*; ssh-keygen -q -t ed25519 -N '' -f {KEY}"


class Bench:
    """A machine with a host key of its own, and what Vault signs for it."""

    def __init__(self, vault: VaultServer, machine: SshServer) -> None:
        self.vault = vault.client("apply")
        self.ssh = SshRunner(deployment(port=machine.port), self.vault, str(machine.known_hosts))
        self.ssh.run(MACHINE, MAKE)

    def certificate(self, *, check: bool = False, later: timedelta = timedelta(), hours: int = 30) -> HostCertificate:
        now = datetime.now(UTC) + later
        return host_certificate(MACHINE, hours, ssh=self.ssh, vault=self.vault, now=lambda: now, check=check)

    def install(self, text: str) -> None:
        self.ssh.run(MACHINE, f'printf "%s\\n" "$1" >{KEY}-cert.pub', text)


@pytest.fixture
def bench(own_vault: VaultServer, own_machine: SshServer) -> Iterator[Bench]:
    made = Bench(own_vault, own_machine)
    yield made
    made.ssh.close()


def described(text: str) -> str:
    return subprocess.run(
        ["ssh-keygen", "-L", "-f", "-"], input=text, capture_output=True, text=True, check=True
    ).stdout


def test_a_certificate_names_the_machine_and_its_addresses(bench: Bench) -> None:
    shown = described(bench.certificate().text)
    assert "host certificate" in shown
    principals = shown.partition("Principals:")[2].partition("Critical")[0].split()
    assert sorted(principals) == ["127.0.0.1", MACHINE]


def test_a_good_certificate_is_kept_and_renewed_when_two_thirds_of_its_life_are_over(bench: Bench) -> None:
    first = bench.certificate()
    bench.install(first.text)
    assert bench.certificate() == first
    assert bench.certificate(later=timedelta(hours=19)) == first
    assert first.renewal_at is not None
    assert timedelta(hours=19) < first.renewal_at - datetime.now(UTC) < timedelta(hours=21)
    assert bench.certificate(later=timedelta(hours=21)).text != first.text


def test_a_check_has_nothing_signed_and_says_that_one_is_wanted(bench: Bench) -> None:
    assert bench.certificate(check=True).text == WANTED
    bench.install(bench.certificate().text)
    assert bench.certificate(check=True).text != WANTED


@pytest.mark.parametrize("damage", ["a new key", "rubbish", "another machine's"])
def test_what_does_not_fit_the_machine_is_replaced(bench: Bench, damage: str) -> None:
    first = bench.certificate()
    if damage == "a new key":
        bench.ssh.run(MACHINE, MAKE)
        bench.install(first.text)
    elif damage == "rubbish":
        bench.install("rubbish")
    else:
        public = bench.ssh.run(MACHINE, f"cut -d' ' -f1,2 {KEY}.pub").stdout.strip()
        other = bench.vault.ssh_sign_host("ssh-host", "machine", public, principals="gw-26740", ttl_seconds=3600)
        bench.install(other.strip())
    assert bench.certificate(check=True).text == WANTED


def test_a_preview_has_nothing_signed(bench: Bench, own_vault: VaultServer) -> None:
    with pytest.raises(PermissionDeniedError):
        host_certificate(
            MACHINE, 30, ssh=bench.ssh, vault=own_vault.client("preview"), now=lambda: datetime.now(UTC), check=False
        )
