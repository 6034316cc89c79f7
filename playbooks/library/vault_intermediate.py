#!/usr/bin/python
"""Give a PKI engine of Vault an intermediate signed by a root key that Vault never sees."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_intermediate
short_description: Give PKI engines of Vault an intermediate signed by an offline root
description:
  - The engine makes the key (EC P-256) and a request; the root's key on the controller signs it.
  - An intermediate is replaced when it isn't signed by this root or has less than I(renew_before_days) left.
options:
  address: {description: URL of Vault, type: str, required: true}
  ca_file: {description: Certificates that Vault's own is checked against, type: path, required: true}
  client_certificate: {description: The operator's certificate, type: path, required: true}
  client_key: {description: The operator's key, type: path, required: true}
  role: {description: Role of the cert auth method, type: str, default: administrator}
  root_certificate: {description: Certificate of the root, type: path, required: true}
  root_key: {description: Key of the root on the controller, type: path, required: true}
  intermediates: {description: Mount to common name, type: dict, required: true}
  days: {description: Life of an intermediate, cut at the root's end, type: int, default: 1825}
  renew_before_days: {description: Replace when less is left, type: int, default: 400}
"""

EXAMPLES = r"""
- name: Sign the issuers
  vault_intermediate:
    address: https://vault.example.test:8200
    ca_file: /etc/ssl/root.crt
    client_certificate: operator.crt
    client_key: operator.key
    root_certificate: root.crt
    root_key: root.key
    intermediates: {pki-gateway: Gateways}
"""

RETURN = r"""
mounts: {description: Mounts that got a new intermediate, or would, type: list, returned: always}
"""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.donvi_vault import CONNECTION, Vault, VaultError, run_in_vault
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization

if TYPE_CHECKING:
    from collections.abc import Callable

OPTIONS = {
    "root_certificate": {"type": "path", "required": True},
    "root_key": {"type": "path", "required": True, "no_log": False},
    "intermediates": {"type": "dict", "required": True},
    "days": {"type": "int", "default": 1825},
    "renew_before_days": {"type": "int", "default": 400},
}
Request = x509.CertificateSigningRequest
BACKDATED = dt.timedelta(minutes=5)  # clocks of machines differ


def current(vault: Vault, mount: str) -> x509.Certificate | None:
    """The engine's own certificate, or None when it has none yet."""
    pem = (vault.read(f"{mount}/cert/ca") or {}).get("certificate")
    return x509.load_pem_x509_certificate(pem.encode()) if pem else None


def good(found: x509.Certificate | None, root: x509.Certificate, renew_before: dt.timedelta) -> bool:
    """Whether an intermediate can stay."""
    if found is None:
        return False
    try:
        found.verify_directly_issued_by(root)
    except (InvalidSignature, ValueError):
        return False
    return found.not_valid_after_utc - dt.datetime.now(dt.UTC) > renew_before


def sign(csr: Request, root: x509.Certificate, key: Any, days: int) -> x509.Certificate:
    """Sign an intermediate that may issue leaves only (RFC 5280, path length 0)."""
    now = dt.datetime.now(dt.UTC)
    usage = dict.fromkeys(
        ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"], False)  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(root.subject)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(min(now + dt.timedelta(days=days), root.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(csr.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def renew(vault: Vault, mount: str, common_name: str, signer: Callable[[Request], x509.Certificate]) -> None:
    """Make, sign and install one intermediate, and make it the engine's issuer."""
    request = {"common_name": common_name, "key_type": "ec", "key_bits": 256}
    answer = vault.request("POST", f"{mount}/intermediate/generate/internal", request)
    if not answer:
        raise VaultError(f"{mount}: no such PKI engine")
    csr = x509.load_pem_x509_csr(answer["data"]["csr"].encode())
    pem = signer(csr).public_bytes(serialization.Encoding.PEM).decode()
    imported = vault.request("POST", f"{mount}/intermediate/set-signed", {"certificate": pem}) or {}
    for issuer in imported["data"]["imported_issuers"]:
        vault.request("POST", f"{mount}/config/issuers", {"default": issuer})


def converge(vault: Vault, parameters: dict[str, Any], *, write: bool) -> dict[str, Any]:
    """Give every engine that needs one a new intermediate."""
    root = x509.load_pem_x509_certificate(Path(parameters["root_certificate"]).read_bytes())
    before = dt.timedelta(days=parameters["renew_before_days"])
    mounts = [mount for mount in parameters["intermediates"] if not good(current(vault, mount), root, before)]
    if write and mounts:
        key = serialization.load_pem_private_key(Path(parameters["root_key"]).read_bytes(), password=None)
        for mount in mounts:
            name = parameters["intermediates"][mount]
            renew(vault, mount, name, lambda csr: sign(csr, root, key, parameters["days"]))
    return {"changed": bool(mounts), "mounts": mounts}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=CONNECTION | OPTIONS, supports_check_mode=True)
    result = run_in_vault(module, lambda vault: converge(vault, module.params, write=not module.check_mode))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
