"""Signing, archiving and revoking, wherever the key lies."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import msgspec

from donvi.backends.pki.archive import Archive, Entry
from donvi.backends.pki.facts import facts_of
from donvi.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from donvi.backends.pki.spec import CertificateSpec
    from donvi.backends.vault import VaultClient

TOLERANCE = timedelta(hours=1)
"""How much shorter than asked a signed certificate may live before it counts as cut by Vault."""


class Issuer:
    """What Vault signed for one unit, as the archive and the published lists tell it.

    :param clock: the current time, injected to show renewals.
    """

    def __init__(self, vault: VaultClient, clock: Callable[[], datetime]) -> None:
        self._vault = vault
        self._clock = clock
        self._archive = Archive(vault)

    def good(self, unit: str, certificate: str) -> list[Entry]:
        """Return the entries that neither the archive nor a published CRL calls revoked, the newest first."""
        entries = self.every(unit, certificate)
        lists = {mount: self._vault.pki_revoked(mount) for mount in {entry.spec.mount for entry in entries}}
        return [entry for entry in entries if entry.facts.serial not in lists[entry.spec.mount]]

    def fitting(self, entries: list[Entry], spec: CertificateSpec, public_key: str) -> Entry | None:
        """Return the entry that is just what is wanted for a key, and whose renewal isn't due."""
        for entry in entries:
            renewal = entry.facts.renewal_at(spec.renew_after_hours)
            if entry.facts.public_key == public_key and alike(entry.spec, spec) and self._clock() < renewal:
                if entry.spec.renew_after_hours != spec.renew_after_hours:
                    entry = msgspec.structs.replace(entry, spec=spec)  # noqa: PLW2901 - the entry, brought up to date
                    self._archive.change(entry)
                return entry
        return None

    def issue(self, spec: CertificateSpec, csr: str, public_key: str) -> Entry:
        """Have a request signed, archive the certificate, and see that it says what was asked for.

        :raises BackendError: it says something else; it is revoked then.
        """
        signed = self._vault.pki_sign(
            spec.mount,
            spec.role,
            csr,
            common_name=spec.common_name,
            dns_names=spec.dns_names,
            uris=spec.uris,
            ttl_hours=spec.ttl_hours,
        )
        entry = self._archive.add(Entry(spec=spec, facts=facts_of(signed.pem), pem=signed.pem, chain=signed.chain))
        self._verify(entry, public_key)
        return entry

    def _verify(self, entry: Entry, public_key: str) -> None:
        """Refuse a certificate that says something else than was asked for: it is revoked, and never installed.

        :raises BackendError: naming what differs.
        """
        spec, facts = entry.spec, entry.facts
        asked = {
            "public key": (facts.public_key, public_key),
            "common name": (facts.common_name, spec.common_name),
            "DNS names": (facts.dns_names, tuple(sorted(spec.dns_names))),
            "URIs": (facts.uris, tuple(sorted(spec.uris))),
            "usages": (facts.usages, tuple(sorted(spec.usages))),
            "other names": (facts.other_names, 0),
        }
        odd = [f"{what} {found!r} instead of {wanted!r}" for what, (found, wanted) in asked.items() if found != wanted]
        if facts.not_after - facts.not_before < timedelta(hours=spec.ttl_hours) - TOLERANCE:
            odd.append(f"end on {facts.not_after.isoformat()}, before {spec.ttl_hours} h are over")
        if odd:
            self.revoke([entry])
            raise BackendError(
                f"Vault's role {spec.mount}/{spec.role} signed another certificate than asked for: {'; '.join(odd)}",
                hint="run `pulumi up --refresh` on the stack that owns the role; "
                "for the end, raise the mount's max_lease_ttl or renew its issuer",
            )

    def every(self, unit: str, certificate: str) -> list[Entry]:
        """Return every entry that the archive doesn't call revoked."""
        return [entry for entry in self._archive.entries(unit, certificate) if not entry.revoked]

    def archived(self, unit: str, certificate: str, serial: str) -> Entry | None:
        """Return one entry by serial, or ``None`` when it isn't archived or was revoked."""
        entry = self._archive.entry(unit, certificate, serial)
        if entry is None or entry.revoked or serial in self._vault.pki_revoked(entry.spec.mount):
            return None
        return entry

    def revoke(self, entries: list[Entry]) -> None:
        """Revoke, publish, see the serials published, and only then write it into the archive.

        :raises BackendError: a revoked serial isn't on the CRL after its rotation.
        """
        now = self._clock()
        alive = [entry for entry in entries if entry.facts.not_after > now]
        for entry in alive:
            self._vault.pki_revoke(entry.spec.mount, entry.pem)
        for mount in {entry.spec.mount for entry in alive}:
            self._vault.pki_rotate_crl(mount)
            published = self._vault.pki_revoked(mount)
            missing = [e.facts.serial for e in alive if e.spec.mount == mount and e.facts.serial not in published]
            if missing:
                raise BackendError(
                    f"the CRL of {mount} does not show {', '.join(missing)} although Vault revoked it",
                    hint="see whether the mount's CRL is disabled (config/crl), then run the same command again",
                )
        stamp = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        for entry in alive:
            self._archive.change(msgspec.structs.replace(entry, revoked=stamp))


def alike(one: CertificateSpec, other: CertificateSpec) -> bool:
    """Say whether two certificates were described alike, time of renewal apart."""
    return _comparable(one) == _comparable(other) and one.ttl_hours == other.ttl_hours


def _comparable(spec: CertificateSpec) -> tuple[object, ...]:
    lists = (tuple(sorted(values)) for values in (spec.dns_names, spec.uris, spec.usages))
    return (spec.machine, spec.mount, spec.role, spec.common_name, *lists)


def superseded(old: Entry, new: Entry) -> bool:
    """Say whether a new certificate of a place takes the right to exist from an old one: another name, usage or key."""
    same_place = old.spec.machine == new.spec.machine and old.facts.serial != new.facts.serial
    other = _comparable(old.spec) != _comparable(new.spec) or old.facts.public_key != new.facts.public_key
    return same_place and other
