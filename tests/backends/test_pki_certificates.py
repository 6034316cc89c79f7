"""Certificates from the machine's key to the CRL, on a real Vault and a real sshd, and what can go wrong on the way."""

from __future__ import annotations

import secrets
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from donvi.backends.pki import Archive
from donvi.backends.vault import PkiRoleSpec
from donvi.errors import PartialError, PermissionDeniedError, UnreachableError, UsageError
from donvi.provider.handlers.pki import CertificateHandler, CertificateInputs
from donvi.provider.services import Services
from tests.support.fixtures import run_services

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from donvi.provider.handler import Found, Result
    from tests.support.ssh_server import SshServer
    from tests.support.vault_server import VaultServer

MOUNT = "pki-gateway"
MACHINE = "gw-26506"
DOMAIN = "vung-tau.tphcm.test"
handler = CertificateHandler()


@dataclass
class Bench:
    """A unit of the test's own, with a role, and the machine's files."""

    vault: VaultServer
    services: Services
    wanted: CertificateInputs

    @property
    def base(self) -> str:
        return f"/etc/donvi/units/{self.wanted.unit}/gateway"

    @property
    def id(self) -> str:
        return f"{self.wanted.unit}/gateway"

    def on_machine(self, script: str, *, stdin: str = "") -> str:
        return self.services.ssh.run(MACHINE, script, self.base, stdin=stdin).stdout

    def create(self, wanted: CertificateInputs | None = None) -> dict[str, str]:
        return outputs(handler.create(self.services, wanted or self.wanted))

    def read(self) -> Found:
        found = handler.read(self.services, self.id, self.wanted)
        assert found is not None
        return found

    def archived(self) -> list[str]:
        return self.services.vault.kv_list(f"archive/certificates/{self.wanted.unit}/gateway")

    def later(self, *, hours: int, machine: SshServer) -> Services:
        moment = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
        return run_services(self.vault, "apply", machine=machine, clock=moment)


def outputs(result: Result | Found) -> dict[str, str]:
    return {name: str(value) for name, value in result.outputs.items()}


def role_for(wanted: CertificateInputs, **changes: object) -> PkiRoleSpec:
    spec = PkiRoleSpec(
        allowed_domains=(f"gw.{DOMAIN}", f"gw2.{DOMAIN}"),
        allowed_uris=wanted.uris,
        client=True,
        server=True,
        max_ttl_hours=2160,
    )
    return replace(spec, **changes)


@pytest.fixture
def bench(own_vault: VaultServer, own_machine: SshServer) -> Iterator[Bench]:
    code = f"9{secrets.randbelow(10_000):04}"
    wanted = CertificateInputs(
        unit=code,
        key="certificate/gateway",
        machine=MACHINE,
        mount=MOUNT,
        role=f"unit-{code}-gateway",
        common_name=f"gw.{DOMAIN}",
        dns_names=(f"gw.{DOMAIN}",),
        uris=(f"urn:donvi:unit:{code}",),
        usages=("client", "server"),
        ttl_hours=72,
    )
    services = run_services(own_vault, "apply", machine=own_machine)
    services.vault.pki_role_write(MOUNT, wanted.role, role_for(wanted))
    yield Bench(own_vault, services, wanted)
    services.close()


def test_key_and_certificate_are_on_the_machine_and_verify_against_the_root(bench: Bench, tmp_path: Path) -> None:
    made = bench.create()
    assert bench.on_machine('stat -c "%a %U" "$1.key" "${1%/*}"').split() == ["600", "root", "700", "root"]
    chain = bench.on_machine('cat "$1.crt"')
    assert chain.count("BEGIN CERTIFICATE") == 2, "the leaf and its issuer, without the root"
    (tmp_path / "chain.pem").write_text(chain)
    verify = ["openssl", "verify", "-CAfile", bench.vault.ca_file, "-untrusted", "chain.pem", "-purpose", "sslserver"]
    done = subprocess.run([*verify, "chain.pem"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = bench.on_machine('openssl x509 -in "$1.crt" -noout -text')
    assert f"DNS:gw.{DOMAIN}, URI:urn:donvi:unit:{bench.wanted.unit}" in text
    assert "prime256v1" in text
    assert made["serial"] in bench.archived()
    assert datetime.fromisoformat(made["notAfter"]) > datetime.now(UTC) + timedelta(hours=71)


def test_the_private_key_is_known_to_the_machine_only(bench: Bench) -> None:
    made = bench.create()
    key = "".join(bench.on_machine('sed -n 2p "$1.key"').split())
    assert len(key) == 64
    entry = bench.services.vault.kv_read(f"archive/certificates/{bench.wanted.unit}/gateway/{made['serial']}")
    assert entry is not None
    assert key not in str(entry)
    assert "PRIVATE" not in str(entry) + str(made)


def test_a_repeated_create_signs_nothing_new(bench: Bench) -> None:
    assert bench.create() == bench.create()
    assert len(bench.archived()) == 1


def test_a_refresh_finds_what_was_declared(bench: Bench) -> None:
    made = bench.create()
    found = bench.read()
    assert found.inputs == bench.wanted
    assert outputs(found) == made
    assert handler.renewal(found.outputs, datetime.now(UTC)) is None


def test_changed_names_give_a_new_certificate_for_the_same_key_and_revoke_the_old(bench: Bench) -> None:
    before = bench.create()
    wanted = replace(bench.wanted, common_name=f"gw2.{DOMAIN}", dns_names=(f"gw2.{DOMAIN}",))
    after = outputs(handler.update(bench.services, bench.id, bench.wanted, wanted))
    assert after["publicKey"] == before["publicKey"]
    assert after["serial"] != before["serial"]
    assert bench.services.vault.pki_revoked(MOUNT) >= {before["serial"]}
    assert f"CN = gw2.{DOMAIN}" in bench.on_machine('openssl x509 -in "$1.crt" -noout -subject')


def test_renewal_opens_at_two_thirds_of_life_and_leaves_the_old_one_to_expire(
    bench: Bench, own_machine: SshServer
) -> None:
    before = bench.create()
    now = datetime.now(UTC)
    assert handler.renewal(before, now + timedelta(hours=47)) is None
    assert "renewal is due" in (handler.renewal(before, now + timedelta(hours=49)) or "")
    later = bench.later(hours=49, machine=own_machine)
    after = outputs(handler.update(later, bench.id, bench.wanted, bench.wanted))
    later.close()
    assert after["serial"] != before["serial"]
    assert after["publicKey"] == before["publicKey"]
    assert before["serial"] not in bench.services.vault.pki_revoked(MOUNT)
    assert outputs(bench.read())["serial"] == after["serial"]


def test_renewal_can_be_set_to_open_earlier(bench: Bench) -> None:
    early = bench.create(replace(bench.wanted, renew_after=1))
    assert handler.renewal(early, datetime.now(UTC) + timedelta(hours=2)) is not None
    same = outputs(handler.update(bench.services, bench.id, bench.wanted, replace(bench.wanted, renew_after=40)))
    assert same["serial"] == early["serial"], "another time of renewal needs no new certificate"
    assert handler.renewal(same, datetime.now(UTC) + timedelta(hours=2)) is None
    assert bench.read().inputs.renew_after == 40


@pytest.mark.parametrize("damage", ['rm "$1.crt"', 'openssl req -x509 -key "$1.key" -subj /CN=x -out "$1.crt"'])
def test_a_certificate_missing_or_replaced_on_the_machine_is_seen_and_installed_again(
    bench: Bench, damage: str
) -> None:
    made = bench.create()
    bench.on_machine(damage)
    found = bench.read()
    assert found.outputs["serial"] == ""
    assert "does not hold" in (handler.renewal(found.outputs, datetime.now(UTC)) or "")
    repaired = outputs(handler.update(bench.services, bench.id, bench.wanted, bench.wanted))
    assert repaired == made, "what was signed and archived is installed, not signed again"
    assert outputs(bench.read()) == made


def test_a_lost_key_is_made_anew_and_the_certificate_for_the_old_one_revoked(bench: Bench) -> None:
    before = bench.create()
    bench.on_machine('rm "$1.key"')
    assert bench.read().outputs["serial"] == ""
    after = outputs(handler.update(bench.services, bench.id, bench.wanted, bench.wanted))
    assert after["publicKey"] != before["publicKey"]
    assert bench.services.vault.pki_revoked(MOUNT) >= {before["serial"]}


def test_a_certificate_revoked_by_hand_counts_as_gone_and_is_issued_again(bench: Bench) -> None:
    before = bench.create()
    bench.vault.root.pki_revoke(MOUNT, bench.on_machine('openssl x509 -in "$1.crt"'))
    bench.vault.root.pki_rotate_crl(MOUNT)
    assert handler.read(bench.services, bench.id, bench.wanted) is None
    assert bench.create()["serial"] != before["serial"]


def test_a_sealed_vault_after_the_key_was_made_is_finished_by_the_next_run(bench: Bench) -> None:
    bench.on_machine("true")  # the SSH key is signed and the connection open
    bench.vault.seal()
    try:
        with pytest.raises(PartialError, match=r"stopped after the key was made: .* is sealed") as caught:
            bench.create()
    finally:
        bench.vault.unseal()
    assert caught.value.identifier == bench.id
    key = bench.on_machine('openssl pkey -in "$1.key" -pubout -outform DER | sha256sum').split()[0]
    assert bench.create()["publicKey"] == key


def test_signed_but_not_installed_is_finished_without_a_second_certificate(bench: Bench) -> None:
    bench.on_machine('mkdir -p "$1.crt"')
    with pytest.raises(PartialError, match=r"stopped after certificate [0-9a-f]+ was signed"):
        bench.create()
    (serial,) = bench.archived()
    bench.on_machine('rmdir "$1.crt"')
    assert bench.create()["serial"] == serial
    assert bench.archived() == [serial]


def test_what_the_role_signs_otherwise_than_asked_is_revoked_and_never_installed(bench: Bench) -> None:
    bench.services.vault.pki_role_write(MOUNT, bench.wanted.role, role_for(bench.wanted, server=False))
    with pytest.raises(PartialError, match=r"signed another certificate than asked for: usages \('client',\)"):
        bench.create()
    (serial,) = bench.archived()
    assert serial in bench.services.vault.pki_revoked(MOUNT)
    assert bench.on_machine('ls "${1%/*}"').split() == ["gateway.csr", "gateway.key"]
    bench.services.vault.pki_role_write(MOUNT, bench.wanted.role, role_for(bench.wanted))
    assert bench.create()["serial"] != serial


def test_a_life_cut_by_the_role_is_not_accepted_silently(bench: Bench) -> None:
    bench.services.vault.pki_role_write(MOUNT, bench.wanted.role, role_for(bench.wanted, max_ttl_hours=24))
    with pytest.raises(PartialError, match="before 72 h are over"):
        bench.create()


def test_deleting_revokes_publishes_and_removes_the_key_and_keeps_the_archive(bench: Bench) -> None:
    made = bench.create()
    handler.delete(bench.services, bench.id, bench.wanted)
    assert made["serial"] in bench.services.vault.pki_revoked(MOUNT)
    assert bench.on_machine('ls "${1%/*}" 2>/dev/null || true') == ""
    entry = Archive(bench.services.vault).entry(bench.wanted.unit, "gateway", made["serial"])
    assert entry is not None
    assert entry.revoked.endswith("Z")
    handler.delete(bench.services, bench.id, bench.wanted)
    assert handler.read(bench.services, bench.id, bench.wanted) is None
    again = bench.create()
    assert again["publicKey"] != made["publicKey"]
    assert len(bench.archived()) == 2


def test_deleting_the_one_on_the_old_machine_spares_the_one_that_replaced_it(bench: Bench) -> None:
    made = bench.create()
    handler.delete(bench.services, bench.id, replace(bench.wanted, machine="gw-old"))
    assert made["serial"] not in bench.services.vault.pki_revoked(MOUNT)


def test_the_certificate_of_a_machine_that_is_gone_is_kept_by_a_refresh_and_revoked_by_a_delete(bench: Bench) -> None:
    made = bench.create()
    smaller = replace(bench.services.deployment, machines={})
    alone = Services(smaller, bench.services.environ)
    found = handler.read(alone, bench.id, bench.wanted)
    assert found is not None
    assert outputs(found)["serial"] == made["serial"]
    handler.delete(alone, bench.id, bench.wanted)
    assert made["serial"] in bench.services.vault.pki_revoked(MOUNT)
    alone.close()


@pytest.mark.parametrize("spelled", ["{}", "{:colons}"])
def test_an_import_by_serial_shows_no_change(bench: Bench, spelled: str) -> None:
    serial = bench.create()["serial"]
    colons = ":".join(serial[i : i + 2].upper() for i in range(0, len(serial), 2))
    imported = handler.read(bench.services, f"{bench.id}/{serial if spelled == '{}' else colons}", None)
    assert imported is not None
    assert imported.id == bench.id
    assert imported.inputs == bench.wanted
    assert imported.outputs["serial"] == serial


def test_an_import_of_nothing_finds_nothing_and_without_serial_says_how(bench: Bench) -> None:
    assert handler.read(bench.services, f"{bench.id}/0123456789abcdef", None) is None
    with pytest.raises(UsageError, match="<unit>/<certificate>/<serial in hex>"):
        handler.read(bench.services, bench.id, None)


def test_a_preview_reads_the_archive_and_never_a_machine(bench: Bench, own_vault: VaultServer) -> None:
    made = bench.create()
    bench.on_machine('rm "$1.crt"')
    preview = run_services(own_vault, "preview")
    preview.environ = {**preview.environ, "DONVI_KNOWN_HOSTS": own_vault.ca_file}
    found = handler.read(preview, bench.id, bench.wanted)
    assert found is not None
    assert outputs(found) == made, "not looked at, so not called missing"
    with pytest.raises(PermissionDeniedError):
        handler.update(preview, bench.id, bench.wanted, bench.wanted)
    preview.close()


def test_a_machine_that_is_down_stops_before_anything_is_signed(bench: Bench, own_vault: VaultServer) -> None:
    down = run_services(own_vault, "apply")
    down.environ = {**down.environ, "DONVI_KNOWN_HOSTS": own_vault.ca_file}
    with pytest.raises(UnreachableError, match="gw-26506"):
        handler.create(down, bench.wanted)
    assert bench.archived() == []
    down.close()


@pytest.mark.parametrize(
    ("changes", "properties"),
    [
        ({"unit": "../../etc"}, ["unit"]),
        ({"key": "certificate/../x"}, ["key"]),
        ({"key": "gateway"}, ["key"]),
        ({"common_name": "Phường Vũng Tàu"}, ["commonName"]),
        ({"dns_names": ("*.tphcm.test",)}, ["dnsNames[0]"]),
        ({"usages": ("client", "email")}, ["usages"]),
        ({"ttl_hours": 0}, ["ttlHours"]),
        ({"renew_after": 72}, ["renewAfter"]),
        ({}, []),
    ],
)
def test_a_check_names_the_property_that_is_wrong(
    bench: Bench, changes: dict[str, object], properties: list[str]
) -> None:
    assert [failure.property for failure in handler.check(replace(bench.wanted, **changes))] == properties
