"""People log in to Vault with their account; what they get is their own unit's, and their own name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from donvi.backends.vault import VaultClient
from donvi.errors import BackendError, PermissionDeniedError
from tests.support.ca import request_for
from tests.support.directory_server import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.vault_server import VaultServer

HOUR = 3600


@pytest.fixture
def log_in(own_vault: VaultServer, own_people: None) -> Callable[..., VaultClient]:  # noqa: ARG001 - comes first
    anonymous = VaultClient(own_vault.address, "", own_vault.ca_file)

    def login(name: str, password: str = PASSWORD) -> VaultClient:
        answer = anonymous.post(f"auth/ldap/login/{name}", {"password": password})
        return anonymous.with_token(str(answer["auth"]["client_token"]))

    return login


def sign(vault: VaultClient, code: str, name: str, **more: str) -> x509.Certificate:
    request = {"csr": request_for(ec.generate_private_key(ec.SECP256R1())), "common_name": name, **more}
    answer = vault.post(f"pki-cluster/sign/unit-{code}-person", request)
    return x509.load_pem_x509_certificate(answer["data"]["certificate"].encode())


@pytest.mark.parametrize("name", ["admin-26506", "ADMIN-26506", "admin@26506.tphcm.test"])
def test_an_administrator_logs_in_by_name_or_address_and_is_known_by_the_accounts_name(
    log_in: Callable[..., VaultClient], name: str
) -> None:
    person = log_in(name)
    assert person.token_policies() == ("default", "unit-26506-person")
    certificate = sign(person, "26506", "admin-26506")
    assert certificate.subject.rfc4514_string() == "CN=admin-26506,O=unit:26506:web-portal-admin"
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life.total_seconds() <= HOUR + 60


def test_an_administrator_of_another_unit_gets_nothing_of_this_one(log_in: Callable[..., VaultClient]) -> None:
    own, other = log_in("admin-26506"), log_in("admin-25747")
    assert other.token_policies() == ("default", "unit-25747-person")
    assert sign(own, "26506", "admin-26506"), "the role works for its own unit"
    with pytest.raises(PermissionDeniedError):
        sign(other, "26506", "admin-25747")


def test_a_colleague_who_is_no_administrator_logs_in_and_may_sign_nothing(log_in: Callable[..., VaultClient]) -> None:
    clerk = log_in("clerk-26506")
    assert clerk.token_policies() == ("default",)
    with pytest.raises(PermissionDeniedError):
        sign(clerk, "26506", "clerk-26506")


@pytest.mark.parametrize("name", ["clerk-26506", "donvi-apply", "system:kube-scheduler", "x.admin-26506"])
def test_nobody_signs_under_another_name(log_in: Callable[..., VaultClient], name: str) -> None:
    with pytest.raises(BackendError, match="not allowed"):
        sign(log_in("admin-26506"), "26506", name)


@pytest.mark.parametrize(
    "more",
    [
        {"alt_names": "clerk-26506"},
        {"uri_sans": "urn:donvi:unit:26506"},
        {"ip_sans": "10.0.4.30"},
        {"not_after": "2099-01-01T00:00:00Z"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_nobody_adds_a_name_or_chooses_the_end(log_in: Callable[..., VaultClient], more: dict[str, str]) -> None:
    with pytest.raises(BackendError):
        sign(log_in("admin-26506"), "26506", "admin-26506", **more)


def test_a_longer_life_is_cut_to_an_hour(log_in: Callable[..., VaultClient]) -> None:
    certificate = sign(log_in("admin-26506"), "26506", "admin-26506", ttl="48h")
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life.total_seconds() <= HOUR + 60


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("admin-26506", "sai mật khẩu"),
        ("admin-26506", ""),
        ("new-26506", PASSWORD),
        ("locked-26506", PASSWORD),
        ("khong-co", PASSWORD),
        ("*", PASSWORD),
        ("admin-2650*", PASSWORD),
        ("*%29%28uid=*", PASSWORD),
    ],
    ids=["wrong password", "no password", "first password not changed", "locked", "nobody", "any", "pattern", "filter"],
)
def test_who_is_not_let_in(log_in: Callable[..., VaultClient], name: str, password: str) -> None:
    with pytest.raises(BackendError):
        log_in(name, password)
