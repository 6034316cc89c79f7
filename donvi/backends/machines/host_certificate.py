"""Certificates of machines' SSH host keys, signed by Vault: clients recognise a machine by the authority.

The host key is the machine's own and never leaves it. A certificate is good as long as it is of that key, for the
machine's names and addresses, by Vault's present authority, and two thirds of its life aren't over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.ssh import (
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
    load_ssh_public_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from donvi.backends.machines.runner import SshRunner
    from donvi.backends.vault import VaultClient

MOUNT = "ssh-host"
ROLE = "machine"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
WANTED = "(a new certificate of the host key)"
"""What stands for a certificate that a check doesn't have signed."""

READ = """
cat "$1.pub"
cat "$1-cert.pub" 2>/dev/null || true
"""


@dataclass(frozen=True)
class HostCertificate:
    """A certificate in OpenSSH's form, and when it is to be renewed; ``None`` for one that isn't signed yet."""

    text: str
    renewal_at: datetime | None


def host_certificate(
    machine: str, hours: int, *, ssh: SshRunner, vault: VaultClient, now: Callable[[], datetime], check: bool
) -> HostCertificate:
    """Return the machine's certificate: the one it has while that is good, else a new one.

    :param hours: the life of a new one.
    :param check: have none signed.
    :raises PermissionDeniedError: Vault signs no host keys for this token.
    """
    place, _ = ssh.shared(machine)
    names = [name for name in (machine, place.address, place.data4, place.data6) if name]
    key, *present = ssh.run(machine, READ, HOST_KEY).stdout.strip().splitlines()
    authority = vault.ssh_authority(MOUNT)
    if present and (until := _good_until(present[0], key, names, authority)) and until > now():
        return HostCertificate(present[0], until)
    if check:
        return HostCertificate(WANTED, None)
    signed = vault.ssh_sign_host(
        MOUNT, ROLE, " ".join(key.split()[:2]), principals=",".join(names), ttl_seconds=hours * 3600
    ).strip()
    return HostCertificate(signed, _renewal(_parsed(signed)))


def _good_until(text: str, key: str, names: list[str], authority: str) -> datetime | None:
    try:
        certificate = _parsed(text)
        certificate.verify_cert_signature()
    except (ValueError, InvalidSignature):
        return None
    same_key = _line(certificate.public_key()) == _line(load_ssh_public_key(key.encode()))
    same_authority = _line(certificate.signature_key()) == _line(load_ssh_public_key(authority.encode()))
    same_names = {name.decode() for name in certificate.valid_principals} == set(names)
    host = certificate.type is SSHCertificateType.HOST
    return _renewal(certificate) if same_key and same_authority and same_names and host else None


def _renewal(certificate: SSHCertificate) -> datetime:
    life = certificate.valid_before - certificate.valid_after
    return datetime.fromtimestamp(certificate.valid_after + life * 2 // 3, UTC)


def _parsed(text: str) -> SSHCertificate:
    found = load_ssh_public_identity(text.encode())
    if not isinstance(found, SSHCertificate):
        msg = "a key without a certificate"
        raise ValueError(msg)  # noqa: TRY004 - as the loader does for what isn't one
    return found


def _line(key: object) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)  # type: ignore[attr-defined]
    return encoded
