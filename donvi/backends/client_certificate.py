"""A client certificate for the cluster: the key is made here, Vault signs it, both exist in memory only.

Imports little and asks Vault over one connection, because a program that is started for every command uses it
(``donvi cluster credential``). Operators sign with the role that their token is for, people with their unit's, after a
login with their account in the directory.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from donvi.errors import BackendError, PermissionDeniedError, SealedError, UnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

MOUNT = "pki-cluster"
METHOD = "ldap"
OPERATORS = ("apply", "preview", "verify")
TIMEOUT = 15.0


class Credential(NamedTuple):
    """Certificate chain (leaf first) and key, both PEM, and when the certificate ends."""

    certificate: str
    key: str
    expires: datetime

    def __repr__(self) -> str:
        return f"Credential(expires={self.expires.isoformat()})"


class Refused(NamedTuple):
    """What Vault said no to: an HTTP status and its own words."""

    status: int
    words: str


class VaultLink:
    """One connection to Vault.

    :param address: ``https://host:8200``.
    :param context: what its certificate is verified with.
    """

    def __init__(self, address: str, context: ssl.SSLContext) -> None:
        where = urlsplit(address)
        if where.scheme != "https" or not where.hostname:
            raise UsageError(f"Vault's address {address!r} is not https", hint="set VAULT_ADDR to https://host:port")
        self._address = address
        self._link = http.client.HTTPSConnection(where.hostname, where.port, context=context, timeout=TIMEOUT)

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def call(self, method: str, path: str, token: str = "", body: dict[str, Any] | None = None) -> Any:
        """Make one call; return what Vault answered, or :class:`Refused`.

        :raises UnreachableError: nobody answers, or its certificate isn't good.
        :raises SealedError: it is sealed.
        """
        headers = {"X-Vault-Request": "true"} | ({"X-Vault-Token": token} if token else {})
        try:
            self._link.request(method, f"/v1/{path}", json.dumps(body) if body is not None else None, headers)
            response = self._link.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or type(error).__name__
            raise UnreachableError(
                f"Vault at {self._address} can't be reached: {reason}", hint="see whether it runs, then try again"
            ) from None
        answer = _decoded(text)
        if response.status == http.client.SERVICE_UNAVAILABLE:
            raise SealedError(f"Vault at {self._address} is sealed or starting", hint="wait, then try again")
        if response.status >= http.client.MULTIPLE_CHOICES:
            words = " ".join("; ".join(answer.get("errors") or []).split())
            return Refused(response.status, words or str(response.status))
        return answer


def trust(ca_file: str = "", ca_text: str = "") -> ssl.SSLContext:
    """Return what servers of the city are verified with: its root, from a file or as PEM, and nothing else.

    :raises UsageError: there is no such file, or it holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=ca_file or None, cadata=ca_text or None)
    except OSError as error:
        raise UsageError(
            f"the city's root certificate {ca_file} can't be read: {error}",
            hint="set VAULT_CACERT to the file that holds it",
        ) from None


def client_context(ca: str, credential: Credential) -> ssl.SSLContext:
    """Return a context that trusts one authority (PEM) and shows a credential; the key passes through memory only."""
    context = ssl.create_default_context(cadata=ca)
    descriptor = os.memfd_create("donvi-credential", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, f"{credential.certificate}{credential.key}".encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context


@contextmanager
def opened(address: str, context: ssl.SSLContext) -> Iterator[VaultLink]:
    """Open a connection to Vault, and close it at the end."""
    link = VaultLink(address, context)
    try:
        yield link
    finally:
        link.close()


def issue(address: str, token: str, ca_file: str) -> Credential:
    """Return a credential of the operator role that a token is for: apply, preview or verify.

    :raises UsageError: the token is none of these roles'.
    :raises PermissionDeniedError: it has ended, or may not sign.
    """
    with opened(address, trust(ca_file)) as link:
        role = _role(link, token)
        return signed(link, token, f"operator-{role}", f"donvi-{role}")


def signed(link: VaultLink, token: str, role: str, common_name: str) -> Credential:
    """Make a key and have it signed by a role of the cluster's authority.

    :raises PermissionDeniedError: the token may not use that role.
    :raises BackendError: the role doesn't allow that name.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    body = {
        "csr": request.public_bytes(serialization.Encoding.PEM).decode(),
        "common_name": common_name,
        "exclude_cn_from_sans": True,
        "format": "pem",
    }
    answer = link.call("POST", f"{MOUNT}/sign/{quote(role, safe='')}", token, body)
    if isinstance(answer, Refused):
        kind = PermissionDeniedError if answer.status == http.client.FORBIDDEN else BackendError
        raise kind(f"Vault doesn't sign with {MOUNT}/{role}: {answer.words}", hint="see `donvi cluster --help`")
    data = answer["data"]
    chain = [data["certificate"], *(pem for pem in data.get("ca_chain") or () if not _is_root(pem))]
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Credential(
        certificate="".join(pem.strip() + "\n" for pem in chain),
        key=key.private_bytes(*form).decode(),
        expires=x509.load_pem_x509_certificate(data["certificate"].encode()).not_valid_after_utc,
    )


def _role(link: VaultLink, token: str) -> str:
    answer = link.call("GET", "auth/token/lookup-self", token)
    if isinstance(answer, Refused):
        raise PermissionDeniedError(
            "Vault doesn't know this token: it has ended, or was never one",
            hint='take a fresh one: `eval "$(uv run donvi lab env)"`',
        )
    policies = set(answer["data"]["policies"])
    role = next((role for role in OPERATORS if role in policies), "")
    if not role:
        raise UsageError(
            f"a token with the policies {', '.join(sorted(policies))} is no operator's in the cluster",
            hint='take one of the role apply, preview or verify: `eval "$(uv run donvi lab env --role preview)"`',
        )
    return role


def _decoded(text: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _is_root(pem: str) -> bool:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return certificate.subject == certificate.issuer
