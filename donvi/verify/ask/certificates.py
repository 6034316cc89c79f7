"""Reads certificates and revocation lists that machines hold or publish, and says what is in them."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

USAGES = {ExtendedKeyUsageOID.CLIENT_AUTH: "client", ExtendedKeyUsageOID.SERVER_AUTH: "server"}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a certificate on a machine says."""

    serial: int
    common_name: str
    dns_names: tuple[str, ...]
    uris: tuple[str, ...]
    other_names: int  # subject alternative names of other kinds, e.g. IP addresses
    digital_signature: bool
    certificate_authority: bool
    usages: tuple[str, ...]  # extended key usages, sorted
    curve: str  # "" when the key isn't on an elliptic curve
    not_before: datetime
    not_after: datetime
    public_key: str  # SHA-256 of the SubjectPublicKeyInfo
    chain_error: str  # "" when it chains to the city's root
    revocation_lists: tuple[str, ...]  # URLs


def read_chain(pem: str, root_file: Path) -> Seen:
    """Read a PEM chain, leaf first.

    :raises ValueError: it isn't a PEM chain.
    """
    leaf, *others = x509.load_pem_x509_certificates(pem.encode())
    root = x509.load_pem_x509_certificate(root_file.read_bytes())
    names = _extension(leaf, x509.SubjectAlternativeName)
    usage = _extension(leaf, x509.KeyUsage)
    basic = _extension(leaf, x509.BasicConstraints)
    public = leaf.public_key()
    return Seen(
        serial=leaf.serial_number,
        common_name=str(leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value),
        dns_names=tuple(sorted(names.get_values_for_type(x509.DNSName))) if names else (),
        uris=tuple(sorted(names.get_values_for_type(x509.UniformResourceIdentifier))) if names else (),
        other_names=sum(not isinstance(n, x509.DNSName | x509.UniformResourceIdentifier) for n in names or ()),
        digital_signature=bool(usage and usage.digital_signature),
        certificate_authority=bool(basic and basic.ca),
        usages=tuple(
            sorted(USAGES.get(oid, oid.dotted_string) for oid in _extension(leaf, x509.ExtendedKeyUsage) or ())
        ),
        curve=public.curve.name if isinstance(public, ec.EllipticCurvePublicKey) else "",
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        public_key=_digest(public),
        chain_error=_chain_error(leaf, others, root),
        revocation_lists=_distribution_points(leaf),
    )


def key_digest(pem: str) -> str:
    """Return the SHA-256 of a PEM public key's SubjectPublicKeyInfo, or "" when there is none."""
    return _digest(load_pem_public_key(pem.encode())) if pem.strip() else ""


class Published(msgspec.Struct, frozen=True):
    """A certificate revocation list as published."""

    serials: frozenset[int]
    next_update: datetime | None


def read_revocations(body: str) -> Published:
    """Read a revocation list, base64 of DER or PEM.

    :raises ValueError: it isn't one.
    """
    raw = base64.b64decode(body)
    crl = x509.load_pem_x509_crl(raw) if raw.startswith(b"-----") else x509.load_der_x509_crl(raw)
    return Published(frozenset(entry.serial_number for entry in crl), crl.next_update_utc)


def _chain_error(leaf: x509.Certificate, others: list[x509.Certificate], root: x509.Certificate) -> str:
    """Follow issuers from the leaf to the root (RFC 5280, 6.1: signature, name, validity, CA); "" when all holds."""
    now, current = datetime.now(UTC), leaf
    pool = [*others, root]
    for _ in range(len(pool) + 1):
        if not current.not_valid_before_utc <= now <= current.not_valid_after_utc:
            return f"{current.subject.rfc4514_string()} isn't valid now"
        if current == root:
            return ""
        issuer = next((c for c in pool if c.subject == current.issuer), None)
        if issuer is None:
            return f"nobody in the chain issued {current.subject.rfc4514_string()}"
        if error := _issuer_error(current, issuer):
            return error
        current = issuer
    return "the chain runs in a circle"


def _issuer_error(certificate: x509.Certificate, issuer: x509.Certificate) -> str:
    name, by = certificate.subject.rfc4514_string(), issuer.subject.rfc4514_string()
    basic = _extension(issuer, x509.BasicConstraints)
    if basic is None or not basic.ca:
        return f"{by} isn't a certificate authority"
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return f"{by} didn't sign {name}"
    except (ValueError, TypeError) as error:
        return f"{by} didn't issue {name}: {error}"
    return ""


def _digest(public: object) -> str:
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return hashlib.sha256(der).hexdigest()


def _extension(certificate: x509.Certificate, kind: type) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _distribution_points(certificate: x509.Certificate) -> tuple[str, ...]:
    points = _extension(certificate, x509.CRLDistributionPoints) or ()
    return tuple(name.value for point in points for name in point.full_name or ())
