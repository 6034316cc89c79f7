"""What the operators' roles may not do in Vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from donvi.deployment import Deployment
    from lab.settings import LabSettings
    from tests.playbooks.conftest import Vault

FORBIDDEN = 403
ROLE = {"allowed_domains": ["thu.tphcm.test"], "max_ttl": "1h"}
WRITES = [
    ("POST", "sys/policies/acl/unit-00000-thu", {"policy": 'path "kv/*" { capabilities = ["read"] }'}),
    ("DELETE", "sys/policies/acl/unit-00000-thu", None),
    ("POST", "auth/approle/role/unit-00000-thu", {"token_policies": "unit-00000-thu"}),
    ("POST", "auth/approle/role/unit-00000-thu/secret-id", {}),
    ("POST", "pki-gateway/roles/unit-00000-thu", ROLE),
    ("POST", "pki-gateway/sign/unit-00000-thu", {"csr": "x"}),
    ("POST", "pki-service/revoke", {"serial_number": "00"}),
    ("GET", "pki-service/crl/rotate", None),
    ("POST", "pki-web/config/urls", {"issuing_certificates": []}),
    ("POST", "transit/keys/thu", {}),
    ("POST", "transit/encrypt/thu", {"plaintext": "eA=="}),
    ("DELETE", "transit/keys/platform", None),
    ("POST", "kv/data/probes/00000/thu", {"data": {"password": "x"}}),
    ("GET", "kv/data/probes/00000/thu", None),
    ("POST", "kv/data/first-passwords/thu", {"data": {"wrapping_token": "x"}}),
    ("POST", "kv/data/archive/certificates/00000/thu/00", {"data": {"pem": "x"}}),
    ("POST", "kv/data/owners/policy/thu", {"data": {"unit": "00000"}}),
    ("GET", "kv/data/backends/directory/write", None),
    ("GET", "kv/data/backends/dns/tsig/platform", None),
    ("GET", "kv/data/backends/mail/doveadm", None),
    ("POST", "ssh-client/sign/operator", {"public_key": "ssh-ed25519 AAAA"}),
    ("POST", "auth/token/create/verify", {}),
    ("POST", "auth/token/create", {"policies": ["apply"]}),
    ("POST", "sys/mounts/thu", {"type": "kv"}),
    ("POST", "pki-cluster/sign/operator-apply", {"common_name": "donvi-apply"}),
    ("POST", "pki-cluster/sign/operator-verify", {"common_name": "donvi-verify"}),
    ("POST", "pki-cluster/sign/unit-26506-person", {"common_name": "cb-265008"}),
    ("POST", "pki-cluster/sign/operator-preview", {"not_after": "2099-01-01T00:00:00Z"}),
    ("POST", "pki-cluster/roles/unit-00000-thu", ROLE),
    ("POST", "pki-cluster/roles/operator-preview", ROLE),
    ("POST", "auth/ldap/groups/00000", {"policies": "apply"}),
    ("POST", "auth/ldap/config", {"url": "ldaps://127.0.0.1"}),
]
BEYOND_APPLY = [
    ("GET", "kv/data/probes/00000/thu", None),
    ("GET", "kv/data/first-passwords/thu", None),
    ("GET", "kv/data/backends/systems/directory", None),
    ("POST", "kv/data/backends/directory/write", {"data": {}}),
    ("DELETE", "kv/metadata/archive/certificates/00000/thu/00", None),
    ("POST", "sys/policies/acl/apply", {"policy": ""}),
    ("POST", "sys/mounts/thu", {"type": "kv"}),
    ("POST", "auth/cert/certs/administrator", {"certificate": "x"}),
    ("POST", "auth/approle/role/other", {}),
    ("POST", "pki-gateway/roles/other", ROLE),
    ("POST", "pki-gateway/root/sign-intermediate", {"csr": "x"}),
    ("POST", "ssh-client/roles/operator", {"allowed_users": "*"}),
    ("POST", "transit/encrypt/00000-khong-co", {"plaintext": "eA=="}),
    ("POST", "transit/keys/platform/config", {"deletion_allowed": True}),
    ("DELETE", "transit/keys/platform", None),
    ("POST", "auth/token/create", {"policies": ["administrator"]}),
    ("POST", "pki-cluster/sign/operator-verify", {"common_name": "donvi-verify"}),
    ("POST", "pki-cluster/sign/unit-26506-person", {"common_name": "cb-265008"}),
    ("POST", "pki-cluster/sign/operator-apply", {"not_after": "2099-01-01T00:00:00Z"}),
    ("POST", "pki-cluster/roles/operator-apply", ROLE),
    ("POST", "auth/ldap/config", {"url": "ldaps://127.0.0.1"}),
    ("GET", "kv/data/backends/vault/directory", None),
]
BEYOND_VERIFY = [
    ("GET", "kv/data/backends/directory/read", None),
    ("POST", "kv/data/probes/00000/thu", {"data": {"password": "x"}}),
    ("POST", "auth/approle/role/unit-00000-thu", {}),
    ("POST", "transit/decrypt/platform", {"ciphertext": "vault:v1:x"}),
    ("POST", "ssh-client/sign/operator", {"public_key": "ssh-ed25519 AAAA"}),
    ("POST", "pki-cluster/sign/operator-apply", {"common_name": "donvi-apply"}),
    ("POST", "pki-cluster/sign/operator-verify", {"not_after": "2099-01-01T00:00:00Z"}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=lambda value: str(value)[:50])
def test_preview_writes_nothing_and_reads_no_secret(
    vault: Callable[[str], Vault], method: str, path: str, body: dict[str, object] | None
) -> None:
    assert vault("preview").ask(method, path, body).status_code == FORBIDDEN


@pytest.mark.parametrize(("method", "path", "body"), BEYOND_APPLY, ids=lambda value: str(value)[:50])
def test_apply_stays_inside_what_the_provider_handles(
    vault: Callable[[str], Vault], method: str, path: str, body: dict[str, object] | None
) -> None:
    assert vault("apply").ask(method, path, body).status_code == FORBIDDEN


@pytest.mark.parametrize(("method", "path", "body"), BEYOND_VERIFY, ids=lambda value: str(value)[:50])
def test_verify_only_logs_in(
    vault: Callable[[str], Vault], method: str, path: str, body: dict[str, object] | None
) -> None:
    assert vault("verify").ask(method, path, body).status_code == FORBIDDEN


@pytest.mark.parametrize("role", ["apply", "preview", "verify"])
def test_an_operator_signs_its_own_way_into_the_cluster_for_an_hour(vault: Callable[[str], Vault], role: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    pem = csr.public_bytes(serialization.Encoding.PEM).decode()
    path, body = f"pki-cluster/sign/operator-{role}", {"csr": pem, "common_name": f"donvi-{role}", "ttl": "48h"}
    signed = x509.load_pem_x509_certificate(vault(role).data("POST", path, body)["certificate"].encode())
    assert signed.subject.rfc4514_string() == f"CN=donvi-{role},O=donvi:{role}"
    assert (signed.not_valid_after_utc - signed.not_valid_before_utc).total_seconds() <= 3660
    other = vault(role).ask("POST", path, body | {"common_name": "donvi-administrator"})
    assert other.status_code == 400, "a name that isn't the role's"


def test_preview_opens_a_stacks_secrets(vault: Callable[[str], Vault]) -> None:
    sealed = vault("preview").data("POST", "transit/encrypt/platform", {"plaintext": "eA=="})["ciphertext"]
    assert vault("apply").data("POST", "transit/decrypt/platform", {"ciphertext": sealed})["plaintext"] == "eA=="


def test_apply_hands_the_verifier_a_token_of_its_own(vault: Callable[[str], Vault]) -> None:
    answer = vault("apply").ask("POST", "auth/token/create/verify", {"ttl": "5m"}).json()["auth"]
    assert set(answer["policies"]) == {"default", "verify"}


def test_an_operators_certificate_opens_its_own_role_only(
    lab: LabSettings, deployment: Deployment, vault: Callable[[str], Vault]
) -> None:
    session = vault("apply").session
    pair = (str(lab.home / "operators/preview.crt"), str(lab.home / "operators/preview.key"))
    answer = session.post(
        f"{deployment.vault.address}/v1/auth/cert/login", json={"name": "administrator"}, cert=pair, timeout=20
    )
    assert not answer.ok, "preview's certificate logged in as administrator"


def test_nobody_makes_an_operator_with_the_citys_own_authorities(
    deployment: Deployment, vault: Callable[[str], Vault], tmp_path: Path
) -> None:
    apply, role = vault("apply"), "pki-service/roles/unit-00000-nguoi-la"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "donvi-administrator")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    forged = tmp_path / "forged.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    apply.data("POST", role, {"allow_any_name": True, "key_type": "any", "client_flag": True, "max_ttl": "1h"})
    try:
        csr = request.public_bytes(serialization.Encoding.PEM).decode()
        signed = apply.data("POST", "pki-service/sign/unit-00000-nguoi-la", {"csr": csr, "ttl": "10m"})
    finally:
        apply.ask("DELETE", role)
    chain = "\n".join([signed["certificate"], *signed["ca_chain"]])
    forged.write_text(chain + "\n" + key.private_bytes(*form).decode())
    forged.chmod(0o600)
    answer = apply.session.post(
        f"{deployment.vault.address}/v1/auth/cert/login", json={"name": "administrator"}, cert=str(forged), timeout=20
    )
    assert not answer.ok, "a certificate of pki-service logged in as administrator"
