"""What a certificate says, read from its PEM."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from donvi.backends.vault import serial_hex
from donvi.errors import BackendError

if TYPE_CHECKING:
    from datetime import datetime

_USAGES = {ExtendedKeyUsageOID.CLIENT_AUTH: "client", ExtendedKeyUsageOID.SERVER_AUTH: "server"}


class Facts(Struct, frozen=True, kw_only=True):
    """A certificate's contents; ``fingerprint`` and ``public_key`` are SHA-256 in hex of the DER and of the SPKI."""

    serial: str
    fingerprint: str
    public_key: str
    issuer: str
    not_before: datetime
    not_after: datetime
    common_name: str
    dns_names: tuple[str, ...]
    uris: tuple[str, ...]
    usages: tuple[str, ...]
    other_names: int  # subject alternative names of any other kind, which no certificate of ours has

    def renewal_at(self, after_hours: int) -> datetime:
        """Return when renewal opens: that many hours after the beginning, by default at two thirds of the life."""
        if after_hours:
            return self.not_before + timedelta(hours=after_hours)
        return self.not_before + (self.not_after - self.not_before) * 2 / 3


def spki_digest(key: object) -> str:
    """Return the SHA-256 of a public key's SubjectPublicKeyInfo in hex."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return hashlib.sha256(der).hexdigest()


def request_digest(csr: str) -> str:
    """Return the digest of the public key that a request (PEM) carries.

    :raises BackendError: it is no request, or not signed by its own key.
    """
    try:
        request = x509.load_pem_x509_csr(csr.encode())
    except ValueError:
        raise BackendError("the machine answered with something that is no certificate request") from None
    if not request.is_signature_valid:
        raise BackendError("the machine's certificate request is not signed by its own key")
    return spki_digest(request.public_key())


def facts_of(pem: str) -> Facts:
    """Read the first certificate of a PEM text.

    :raises BackendError: there is none.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise BackendError("there is no certificate in the text") from None
    names = _alternative_names(certificate)
    return Facts(
        serial=serial_hex(certificate.serial_number),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        public_key=spki_digest(certificate.public_key()),
        issuer=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        common_name=_common_name(certificate),
        dns_names=tuple(sorted(names.get_values_for_type(x509.DNSName))),
        uris=tuple(sorted(names.get_values_for_type(x509.UniformResourceIdentifier))),
        usages=_usages(certificate),
        other_names=sum(not isinstance(name, x509.DNSName | x509.UniformResourceIdentifier) for name in names),
    )


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _usages(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(sorted(_USAGES.get(oid, oid.dotted_string) for oid in usage))
