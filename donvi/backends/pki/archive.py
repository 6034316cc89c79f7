"""The archive of public certificates in Vault's KV: ``archive/certificates/<unit>/<certificate>/<serial>``.

Vault itself stores none (``no_store``). An entry holds the PEM, which revoking needs, and what the PEM doesn't say,
which importing needs. Entries are never removed: a revoked one says since when.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from donvi.backends.pki.facts import Facts, facts_of
from donvi.backends.pki.spec import CertificateSpec

if TYPE_CHECKING:
    from donvi.backends.vault import VaultClient

FOLDER = "archive/certificates"


class Entry(Struct, frozen=True, kw_only=True):
    """One archived certificate."""

    spec: CertificateSpec
    facts: Facts
    pem: str
    chain: tuple[str, ...]  # PEM of the issuers, leaf's issuer first, root left out
    revoked: str = ""  # RFC 3339, "" as long as it is good
    archived: str = ""  # RFC 3339 with microseconds: of two certificates of one second, the later one counts

    @property
    def bundle(self) -> str:
        """The leaf and its issuers, as servers and clients present them."""
        return self.pem + "".join(self.chain)


class Archive:
    """Reads and writes entries."""

    def __init__(self, vault: VaultClient) -> None:
        self._vault = vault

    def entry(self, unit: str, certificate: str, serial: str) -> Entry | None:
        """Return one entry, or ``None``."""
        data = self._vault.kv_read(f"{FOLDER}/{unit}/{certificate}/{serial}")
        return _decode(unit, certificate, data) if data else None

    def entries(self, unit: str, certificate: str) -> list[Entry]:
        """Return every entry of a certificate, the newest first."""
        serials = self._vault.kv_list(f"{FOLDER}/{unit}/{certificate}")
        found = [self.entry(unit, certificate, serial) for serial in serials if not serial.endswith("/")]
        return sorted((entry for entry in found if entry), key=_age, reverse=True)

    def add(self, entry: Entry) -> Entry:
        """Archive a certificate that was just signed, and return the entry with the time of that.

        :raises ConflictError: its serial is archived already.
        """
        stamped = replace(entry, archived=datetime.now(UTC).isoformat(timespec="microseconds"))
        self._vault.kv_write(_path(entry), _encode(stamped), cas=0)
        return stamped

    def change(self, entry: Entry) -> None:
        """Write an entry anew: revoked, or with another time of renewal."""
        self._vault.kv_write(_path(entry), _encode(entry))


def _path(entry: Entry) -> str:
    return f"{FOLDER}/{entry.spec.unit}/{entry.spec.id}/{entry.facts.serial}"


def _age(entry: Entry) -> tuple[Any, ...]:
    return (entry.facts.not_before, entry.archived, entry.facts.serial)


def _encode(entry: Entry) -> dict[str, Any]:
    return {
        "pem": entry.pem,
        "chain": "".join(entry.chain),
        "mount": entry.spec.mount,
        "role": entry.spec.role,
        "machine": entry.spec.machine,
        "ttl_hours": entry.spec.ttl_hours,
        "renew_after_hours": entry.spec.renew_after_hours,
        "revoked": entry.revoked,
        "archived": entry.archived,
    }


def _decode(unit: str, certificate: str, data: dict[str, Any]) -> Entry:
    facts = facts_of(data["pem"])
    spec = CertificateSpec(
        unit=unit,
        id=certificate,
        machine=str(data.get("machine", "")),
        mount=str(data["mount"]),
        role=str(data["role"]),
        common_name=facts.common_name,
        dns_names=facts.dns_names,
        uris=facts.uris,
        usages=facts.usages,
        ttl_hours=int(data.get("ttl_hours") or 0),
        renew_after_hours=int(data.get("renew_after_hours") or 0),
    )
    return Entry(
        spec=spec,
        facts=facts,
        pem=data["pem"],
        chain=tuple(_split(data.get("chain", ""))),
        revoked=str(data.get("revoked", "")),
        archived=str(data.get("archived", "")),
    )


def _split(text: str) -> list[str]:
    end = "-----END CERTIFICATE-----\n"
    return [part + end for part in text.split(end) if part.strip()]
