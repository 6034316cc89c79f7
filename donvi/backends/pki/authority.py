"""The life of a certificate: made, looked at, renewed, withdrawn. Every step may be repeated after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from donvi.backends.pki.facts import request_digest
from donvi.backends.pki.issuer import Issuer, superseded
from donvi.backends.pki.machine import MachineFiles
from donvi.backends.pki.spec import identifier
from donvi.errors import DonviError, PartialError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from donvi.backends.machines import SshRunner
    from donvi.backends.pki.archive import Entry
    from donvi.backends.pki.machine import Installed
    from donvi.backends.pki.spec import CertificateSpec
    from donvi.backends.vault import VaultClient


class Standing(msgspec.Struct, frozen=True):
    """A certificate as it is: the archive's entry, and whether the machine holds just that, with its key.

    ``installed`` is ``None`` when this token may not look at machines (the role ``preview``), or the machine is gone.
    """

    entry: Entry
    installed: bool | None


class Authority:
    """Issues and withdraws certificates.

    :param ssh: called when a machine is needed; a preview never gets that far.
    :param clock: the current time, injected to show renewals.
    """

    def __init__(self, vault: VaultClient, ssh: Callable[[], SshRunner], clock: Callable[[], datetime]) -> None:
        self._issuer = Issuer(vault, clock)
        self._ssh = ssh

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
            entries = self._issuer.good(spec.unit, spec.id)
            entry = self._issuer.fitting(entries, spec, public_key) or self._issuer.issue(spec, csr, public_key)
            files.install(entry.bundle)
            self._issuer.revoke([old for old in entries if superseded(old, entry)])
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
        entry = next((e for e in self._issuer.good(unit, certificate) if e.spec.machine == machine), None)
        return self._seen(entry) if entry else None

    def archived(self, unit: str, certificate: str, serial: str) -> Standing | None:
        """Return one certificate by serial, or ``None`` when it isn't archived or was revoked."""
        entry = self._issuer.archived(unit, certificate, serial)
        return self._seen(entry) if entry else None

    def withdraw(self, unit: str, certificate: str, machine: str) -> None:
        """Revoke what was issued for a machine, see it on the published CRL, and remove key and certificate there.

        Of a machine that the deployment no longer has nothing is left to remove.

        :raises BackendError: a revoked serial isn't on the CRL after its rotation.
        """
        found = self._issuer.every(unit, certificate)
        self._issuer.revoke([entry for entry in found if entry.spec.machine == machine])
        ssh = self._ssh()
        if ssh.knows(machine):
            MachineFiles(ssh, machine, unit, certificate).remove()

    def _seen(self, entry: Entry) -> Standing:
        ssh = self._ssh()
        if not (ssh.knows(entry.spec.machine) and ssh.permitted(entry.spec.machine)):
            return Standing(entry, None)
        there = MachineFiles(ssh, entry.spec.machine, entry.spec.unit, entry.spec.id).look()
        return Standing(entry, _holds(there, entry))


def _holds(there: Installed, entry: Entry) -> bool:
    return there.serial == entry.facts.serial and there.public_key == entry.facts.public_key
