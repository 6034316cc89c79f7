"""The life of a certificate: made, looked at, renewed, withdrawn. Every step may be repeated after a crash."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import msgspec

from donvi.backends.pki.archive import Archive, Entry
from donvi.backends.pki.facts import facts_of, request_digest
from donvi.backends.pki.machine import MachineFiles
from donvi.backends.pki.spec import CertificateSpec, identifier
from donvi.errors import BackendError, DonviError, PartialError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from donvi.backends.machines import SshRunner
    from donvi.backends.pki.machine import Installed
    from donvi.backends.vault import VaultClient

TOLERANCE = timedelta(hours=1)
"""How much shorter than asked a signed certificate may live before it counts as cut by Vault."""


class Standing(msgspec.Struct, frozen=True):
    """A certificate as it is: the archive's entry, and whether the machine holds just that, with its key.

    ``installed`` is ``None`` when this token may not look at machines (the role ``preview``).
    """

    entry: Entry
    installed: bool | None


class Authority:
    """Issues and withdraws certificates.

    :param ssh: called when a machine is needed; a preview never gets that far.
    :param clock: the current time, injected to show renewals.
    """

    def __init__(self, vault: VaultClient, ssh: Callable[[], SshRunner], clock: Callable[[], datetime]) -> None:
        self._vault = vault
        self._ssh = ssh
        self._clock = clock
        self._archive = Archive(vault)

    def ensure(self, spec: CertificateSpec) -> Entry:
        """Bring the machine to hold a good certificate of just this description, and return it.

        A certificate that was signed and archived but not installed is installed, not signed again. The key on the
        machine is kept. What the new one supersedes (another name, usage, issuer or key) is revoked; after a plain
        renewal the old one is left to expire.

        :raises PartialError: the key exists, but the rest failed; repeating goes on from there.
        """
        files = MachineFiles(self._ssh(), spec.machine, spec.unit, spec.id)
        csr = files.prepare()
        entry: Entry | None = None
        try:
            public_key = request_digest(csr)
            entries = self._good(spec.unit, spec.id)
            entry = self._fitting(entries, spec, public_key) or self._issue(spec, csr, public_key)
            files.install(entry.bundle)
            self._revoke([old for old in entries if _superseded(old, entry)])
        except DonviError as error:
            what = f"after certificate {entry.facts.serial} was signed" if entry else "after the key was made"
            raise PartialError(
                f"certificate {spec.id} of unit {spec.unit}: stopped {what}: {error.message}",
                identifier=identifier(spec.unit, spec.id),
                outputs={},
                hint=error.hint,
            ) from error
        return entry

    def standing(self, unit: str, certificate: str, machine: str) -> Standing | None:
        """Return the newest good certificate made for a machine, or ``None`` when there is none."""
        entry = next((e for e in self._good(unit, certificate) if e.spec.machine == machine), None)
        return self._seen(entry) if entry else None

    def archived(self, unit: str, certificate: str, serial: str) -> Standing | None:
        """Return one certificate by serial, or ``None`` when it isn't archived or was revoked."""
        entry = self._archive.entry(unit, certificate, serial)
        if entry is None or entry.revoked or serial in self._vault.pki_revoked(entry.spec.mount):
            return None
        return self._seen(entry)

    def withdraw(self, unit: str, certificate: str, machine: str) -> None:
        """Revoke what was issued for a machine, see it on the published CRL, and remove key and certificate there.

        :raises BackendError: a revoked serial isn't on the CRL after its rotation.
        """
        found = [entry for entry in self._archive.entries(unit, certificate) if entry.spec.machine == machine]
        self._revoke([entry for entry in found if not entry.revoked])
        MachineFiles(self._ssh(), machine, unit, certificate).remove()

    def _good(self, unit: str, certificate: str) -> list[Entry]:
        """Return the entries that neither the archive nor a published CRL calls revoked, the newest first."""
        entries = [entry for entry in self._archive.entries(unit, certificate) if not entry.revoked]
        lists = {mount: self._vault.pki_revoked(mount) for mount in {entry.spec.mount for entry in entries}}
        return [entry for entry in entries if entry.facts.serial not in lists[entry.spec.mount]]

    def _fitting(self, entries: list[Entry], spec: CertificateSpec, public_key: str) -> Entry | None:
        for entry in entries:
            renewal = entry.facts.renewal_at(spec.renew_after_hours)
            if entry.facts.public_key == public_key and _alike(entry.spec, spec) and self._clock() < renewal:
                if entry.spec.renew_after_hours != spec.renew_after_hours:
                    entry = msgspec.structs.replace(entry, spec=spec)  # noqa: PLW2901 - the entry, brought up to date
                    self._archive.change(entry)
                return entry
        return None

    def _issue(self, spec: CertificateSpec, csr: str, public_key: str) -> Entry:
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
            self._revoke([entry])
            raise BackendError(
                f"Vault's role {spec.mount}/{spec.role} signed another certificate than asked for: {'; '.join(odd)}",
                hint="run `pulumi up --refresh` on the stack that owns the role; "
                "for the end, raise the mount's max_lease_ttl or renew its issuer",
            )

    def _seen(self, entry: Entry) -> Standing:
        ssh = self._ssh()
        if not ssh.permitted(entry.spec.machine):
            return Standing(entry, None)
        there = MachineFiles(ssh, entry.spec.machine, entry.spec.unit, entry.spec.id).look()
        return Standing(entry, _holds(there, entry))

    def _revoke(self, entries: list[Entry]) -> None:
        """Revoke, publish, see the serials published, and only then write it into the archive."""
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


def _alike(one: CertificateSpec, other: CertificateSpec) -> bool:
    return _comparable(one) == _comparable(other) and one.ttl_hours == other.ttl_hours


def _comparable(spec: CertificateSpec) -> tuple[object, ...]:
    lists = (tuple(sorted(values)) for values in (spec.dns_names, spec.uris, spec.usages))
    return (spec.machine, spec.mount, spec.role, spec.common_name, *lists)


def _superseded(old: Entry, new: Entry) -> bool:
    same_place = old.spec.machine == new.spec.machine and old.facts.serial != new.facts.serial
    other = _comparable(old.spec) != _comparable(new.spec) or old.facts.public_key != new.facts.public_key
    return same_place and other


def _holds(there: Installed, entry: Entry) -> bool:
    return there.serial == entry.facts.serial and there.public_key == entry.facts.public_key
