"""Certificates of the lab's root: checked by openssl, which didn't make them."""

from __future__ import annotations

import datetime as dt
import subprocess
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from donvi.errors import LabError
from lab.pki import Authority, Subject, ensure_leaf, ensure_root

if TYPE_CHECKING:
    from pathlib import Path

VAULT = Subject("vault.tphcm.test", ("vault.tphcm.test",), (ip_address("172.31.250.3"), ip_address("fd9b::10")))
NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def root(tmp_path: Path) -> Authority:
    return ensure_root(tmp_path / "pki", "tphcm.test")


def openssl(*arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False).stdout


def test_a_service_certificate_verifies_strictly_for_its_purpose_alone(root: Authority, tmp_path: Path) -> None:
    ensure_leaf(root, tmp_path / "tls", "vault", VAULT)
    verify = ("verify", "-x509_strict", "-CAfile", str(tmp_path / "pki/root.crt"))
    certificate = str(tmp_path / "tls/vault.crt")
    assert openssl(*verify, "-purpose", "sslserver", "-verify_ip", "fd9b::10", certificate).endswith("OK\n")
    assert not openssl(*verify, "-purpose", "sslclient", certificate).endswith("OK\n")


def test_an_operator_certificate_logs_in_and_serves_nothing(root: Authority, tmp_path: Path) -> None:
    ensure_leaf(root, tmp_path / "operators", "preview", Subject("donvi-preview", client=True))
    verify = ("verify", "-x509_strict", "-CAfile", str(tmp_path / "pki/root.crt"))
    certificate = str(tmp_path / "operators/preview.crt")
    assert openssl(*verify, "-purpose", "sslclient", certificate).endswith("OK\n")
    assert not openssl(*verify, "-purpose", "sslserver", certificate).endswith("OK\n")
    assert "CN = donvi-preview" in openssl("x509", "-in", certificate, "-noout", "-subject")


def test_private_keys_are_readable_by_their_owner_alone(root: Authority, tmp_path: Path) -> None:
    ensure_leaf(root, tmp_path / "tls", "vault", VAULT)
    for key in (tmp_path / "pki/root.key", tmp_path / "tls/vault.key"):
        assert key.stat().st_mode & 0o777 == 0o600


def test_a_second_run_keeps_root_and_certificate(root: Authority, tmp_path: Path) -> None:
    assert ensure_leaf(root, tmp_path / "tls", "vault", VAULT)
    before = (tmp_path / "tls/vault.crt").read_bytes()
    again = ensure_root(tmp_path / "pki", "tphcm.test")
    assert again.pem == root.pem
    assert not ensure_leaf(again, tmp_path / "tls", "vault", VAULT)
    assert (tmp_path / "tls/vault.crt").read_bytes() == before


@pytest.mark.parametrize(("days", "renewed"), [(240, False), (245, True)])
def test_renewal_opens_at_two_thirds_of_a_life(root: Authority, tmp_path: Path, days: int, renewed: bool) -> None:  # noqa: FBT001
    ensure_leaf(root, tmp_path / "tls", "vault", VAULT, now=NOW)
    assert ensure_leaf(root, tmp_path / "tls", "vault", VAULT, now=NOW + dt.timedelta(days=days)) is renewed


@pytest.mark.parametrize(
    "other",
    [
        Subject("vault.tphcm.test", ("vault.tphcm.test",), (ip_address("172.31.250.4"),)),
        Subject("vault.tphcm.test", ("vault.tphcm.test", "kho.tphcm.test"), VAULT.addresses),
    ],
    ids=["another address", "another name"],
)
def test_a_certificate_follows_a_change_of_its_subject(root: Authority, tmp_path: Path, other: Subject) -> None:
    ensure_leaf(root, tmp_path / "tls", "vault", VAULT)
    assert ensure_leaf(root, tmp_path / "tls", "vault", other)
    assert not ensure_leaf(root, tmp_path / "tls", "vault", other)


@pytest.mark.parametrize("damage", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_damaged_certificate_is_replaced(root: Authority, tmp_path: Path, damage: str) -> None:
    ensure_leaf(root, tmp_path / "tls", "vault", VAULT)
    (tmp_path / "tls/vault.crt").write_text(damage)
    assert ensure_leaf(root, tmp_path / "tls", "vault", VAULT)


def test_a_certificate_of_another_root_is_replaced(root: Authority, tmp_path: Path) -> None:
    other = ensure_root(tmp_path / "other", "tphcm.test")
    ensure_leaf(other, tmp_path / "tls", "vault", VAULT)
    assert ensure_leaf(root, tmp_path / "tls", "vault", VAULT)


@pytest.mark.parametrize("missing", ["root.key", "root.crt"])
@pytest.mark.usefixtures("root")
def test_half_a_root_is_refused_instead_of_replaced(tmp_path: Path, missing: str) -> None:
    (tmp_path / "pki" / missing).unlink()
    with pytest.raises(LabError, match="can't be used") as refused:
        ensure_root(tmp_path / "pki", "tphcm.test")
    assert "lab-reset" in refused.value.hint
