"""The lab's root certificate authority and what it signs before Vault exists.

The root signs server certificates of the shared services. Operators' client certificates, with which they log in to
Vault, come from an authority of their own: whoever gets hold of one of Vault's intermediates, which the root signs,
must not be able to make an operator. The root key is a file that only root reads, and that neither the provider nor
any machine ever sees. Intermediates are signed by ``playbooks/datacentre.yml``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from donvi.errors import LabError
from lab.files import place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address, IPv6Address
    from pathlib import Path

ROLES = ("administrator", "apply", "preview", "verify")
ROOT_DAYS, LEAF_DAYS = 3650, 365
RENEW_BELOW = 1 / 3  # of its life; decisions: renewal opens at two thirds
SKEW = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Authority:
    """The root: its certificate, and the key to sign with."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate, as every machine and client gets it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for."""

    common_name: str
    names: tuple[str, ...] = ()
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    client: bool = False


def ensure_root(folder: Path, city: str, purpose: str = "root") -> Authority:
    """Return a root of the lab's, made at the first call.

    :param folder: gets ``<purpose>.key`` (0600) and ``<purpose>.crt``.
    :param purpose: ``root``, which everybody trusts, or ``operators``, which only Vault's login does.
    :raises LabError: one of the two files is missing or damaged.
    """
    key_file, certificate_file = folder / f"{purpose}.key", folder / f"{purpose}.crt"
    if not key_file.exists() and not certificate_file.exists():
        key = ec.generate_private_key(ec.SECP384R1())
        certificate = _root_certificate(key, f"{city} lab {purpose}")
        place(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
        place(key_file, _key_pem(key), 0o600)
    try:
        key_loaded = serialization.load_pem_private_key(key_file.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (OSError, ValueError) as error:
        raise LabError(
            f"the lab's {purpose} in {folder} can't be used: {error}", hint="Run `make lab-reset`."
        ) from None
    if not isinstance(key_loaded, ec.EllipticCurvePrivateKey) or certificate.public_key() != key_loaded.public_key():
        raise LabError(f"key and certificate in {folder} don't belong together", hint="Run `make lab-reset`.")
    return Authority(certificate, key_loaded)


def ensure_leaf(root: Authority, folder: Path, name: str, subject: Subject, *, now: dt.datetime | None = None) -> bool:
    """Make sure that ``<name>.key`` (0600) and ``<name>.crt`` fit the subject and live on; return whether they changed.

    A new key is made with every certificate, in the folder where it is used.
    """
    now = now or dt.datetime.now(dt.UTC)
    if _fits(root, folder, name, subject, now):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _leaf_certificate(root, key, subject, now)
    place(folder / f"{name}.key", _key_pem(key), 0o600)
    place(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))
    return True


def _fits(root: Authority, folder: Path, name: str, subject: Subject, now: dt.datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
        certificate.verify_directly_issued_by(root.certificate)
    except Exception:  # noqa: BLE001 - whatever is wrong with the old pair, the remedy is a new one
        return False
    left = certificate.not_valid_after_utc - now
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return (
        key.public_key() == certificate.public_key()
        and certificate.subject == _name(subject.common_name)
        and _alternative_names(certificate) == _general_names(subject)
        and left > life * RENEW_BELOW
    )


def _alternative_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _general_names(subject: Subject) -> list[x509.GeneralName]:
    return [*map(x509.DNSName, subject.names), *map(x509.IPAddress, subject.addresses)]


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _root_certificate(key: ec.EllipticCurvePrivateKey, common_name: str) -> x509.Certificate:
    now, name = dt.datetime.now(dt.UTC), _name(common_name)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - SKEW).not_valid_after(now + dt.timedelta(days=ROOT_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    builder = builder.add_extension(_usage(ca=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(key, hashes.SHA384())


def _leaf_certificate(
    root: Authority, key: ec.EllipticCurvePrivateKey, subject: Subject, now: dt.datetime
) -> x509.Certificate:
    issuer = root.certificate
    builder = x509.CertificateBuilder(
        issuer.subject, _name(subject.common_name), key.public_key(), x509.random_serial_number()
    )
    builder = builder.not_valid_before(now - SKEW).not_valid_after(now + dt.timedelta(days=LEAF_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(ca=False), critical=True)
    usages: Sequence[x509.ObjectIdentifier] = [
        ExtendedKeyUsageOID.CLIENT_AUTH if subject.client else ExtendedKeyUsageOID.SERVER_AUTH
    ]
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    builder = builder.add_extension(authority, critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    names = _general_names(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(root.key, hashes.SHA256())
