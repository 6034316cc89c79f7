"""What a certificate shall be, as plain values."""

from __future__ import annotations

from msgspec import Struct


class CertificateSpec(Struct, frozen=True, kw_only=True):
    """A certificate of a unit: ``id`` names it inside the unit and its files on the machine.

    ``usages`` are extended key usages, ``client`` and ``server``; none is a seal. ``renew_after_hours`` is counted from
    the beginning of validity; 0 means two thirds of the life.
    """

    unit: str
    id: str
    machine: str
    mount: str
    role: str
    common_name: str
    dns_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    ttl_hours: int
    renew_after_hours: int = 0


def identifier(unit: str, certificate: str) -> str:
    """Return the resource id of a certificate; it stays the same when the certificate is renewed."""
    return f"{unit}/{certificate}"
