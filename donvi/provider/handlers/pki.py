"""Certificates whose keys are made on the unit's own machine.

The resource's id is ``<unit>/<certificate>`` and stays through renewals; an import names the serial too:
``<unit>/<certificate>/<serial>``. A ``serial`` of "" in the state says that the machine doesn't hold what it should: a
refresh found it missing or replaced, or a run stopped half-way. The next ``up`` then installs or issues again.

A preview's token may not log in to machines; its ``read`` looks at the archive in Vault only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.backends.pki import Authority, identifier
from donvi.errors import UsageError
from donvi.provider.handler import Found, Result, handler
from donvi.provider.handlers.issued import IssuedHandler, IssuedInputs, outputs, spelled

if TYPE_CHECKING:
    from donvi.backends.pki import Standing
    from donvi.provider.services import Services

CERTIFICATE = "donvi:pki:Certificate"
PREFIX = "certificate/"


class CertificateInputs(IssuedInputs, frozen=True, kw_only=True):
    """A certificate whose ``key``, ``certificate/<id>``, also names its files on the machine."""

    machine: str


@handler(CERTIFICATE, inputs=CertificateInputs, replace_on={"unit", "key", "machine"})
class CertificateHandler(IssuedHandler[CertificateInputs]):
    """Issues, renews and revokes; see :class:`donvi.backends.pki.Authority`."""

    prefix = PREFIX
    misplaced = "the machine does not hold the certificate with its key: it is installed or issued again"

    def create(self, services: Services, new: CertificateInputs) -> Result:
        """Make key and certificate, or finish what an earlier run began."""
        entry = _authority(services).ensure(self.spec(new, new.machine))
        return Result(identifier(new.unit, self.id_of(new)), outputs(entry))

    def read(self, services: Services, id: str, known: CertificateInputs | None) -> Found | None:
        """Return the newest good certificate, or on import the one of that serial."""
        parts = id.split("/")
        authority = _authority(services)
        if known is not None:
            standing = authority.standing(known.unit, self.id_of(known), known.machine)
        elif len(parts) == 3:  # noqa: PLR2004 - unit, certificate, serial
            standing = authority.archived(parts[0], parts[1], parts[2].replace(":", "").lower())
        else:
            raise UsageError(
                f"{id!r} does not name a certificate to import", hint="write <unit>/<certificate>/<serial in hex>"
            )
        return _found(standing, known) if standing else None

    def update(self, services: Services, id: str, old: CertificateInputs, new: CertificateInputs) -> Result:
        """Issue a certificate of the new description with the same key; a renewal is an update without change."""
        return Result(id, outputs(_authority(services).ensure(self.spec(new, new.machine))))

    def delete(self, services: Services, id: str, old: CertificateInputs) -> None:
        """Revoke, see it on the published CRL, remove key and certificate from the machine. The archive stays."""
        _authority(services).withdraw(old.unit, self.id_of(old), old.machine)


def _authority(services: Services) -> Authority:
    return Authority(services.vault, lambda: services.ssh, services.clock)


def _found(standing: Standing, known: CertificateInputs | None) -> Found:
    spec = standing.entry.spec
    inputs = CertificateInputs(
        unit=spec.unit,
        key=f"{PREFIX}{spec.id}",
        machine=spec.machine,
        mount=spec.mount,
        role=spec.role,
        common_name=spec.common_name,
        dns_names=spelled(known.dns_names if known else (), spec.dns_names),
        uris=spelled(known.uris if known else (), spec.uris),
        usages=spelled(known.usages if known else (), spec.usages),
        ttl_hours=spec.ttl_hours,
        renew_after=spec.renew_after_hours,
    )
    computed = outputs(standing.entry)
    if standing.installed is False:
        computed["serial"] = ""
    return Found(identifier(spec.unit, spec.id), inputs, computed)
