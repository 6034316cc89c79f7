"""Certificates whose keys are made on the unit's own machine.

The resource's id is ``<unit>/<certificate>`` and stays through renewals; an import names the serial too:
``<unit>/<certificate>/<serial>``. A ``serial`` of "" in the state says that the machine doesn't hold what it should: a
refresh found it missing or replaced, or a run stopped half-way. The next ``up`` then installs or issues again.

A preview's token may not log in to machines; its ``read`` looks at the archive in Vault only.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from donvi.backends.pki import Authority, CertificateSpec, identifier
from donvi.errors import UsageError
from donvi.provider.handler import Failure, Found, Handler, Inputs, Result, handler

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from donvi.backends.pki import Entry, Standing
    from donvi.provider.handler import JSON
    from donvi.provider.services import Services

CERTIFICATE = "donvi:pki:Certificate"
PREFIX = "certificate/"
USAGES = frozenset({"client", "server"})

_UNIT = re.compile(r"\A(?:\d{5}|platform)\Z")
_KEY = re.compile(r"\Acertificate/[a-z0-9][a-z0-9-]{0,62}\Z")
_HOST = re.compile(r"\A(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}\Z")
_LISTS = frozenset({"dnsNames", "uris", "usages"})


class CertificateInputs(Inputs, frozen=True, kw_only=True):
    """A certificate; ``key`` is ``certificate/<id>``, and the id names its files on the machine.

    ``renew_after`` is in hours since the beginning of validity; 0 is two thirds of the life.
    """

    machine: str
    mount: str
    role: str
    common_name: str
    dns_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    ttl_hours: int
    renew_after: int = 0


@handler(CERTIFICATE, inputs=CertificateInputs, replace_on={"unit", "key", "machine"})
class CertificateHandler(Handler[CertificateInputs]):
    """Issues, renews and revokes; see :class:`donvi.backends.pki.Authority`."""

    def check(self, new: CertificateInputs) -> Iterable[Failure]:
        """Refuse names that can't be files or host names, unknown usages, and lifetimes that make no sense."""
        if not _UNIT.match(new.unit):
            yield Failure("unit", f"{new.unit!r} is no unit: give its five-digit code")
        if not _KEY.match(new.key):
            yield Failure(
                "key", f"{new.key!r}: write certificate/<id>, the id in lower-case letters, digits and hyphens"
            )
        if not _HOST.match(new.common_name):
            yield Failure("commonName", f"{new.common_name!r} is not a host name: give one that the role allows")
        for number, name in enumerate(new.dns_names):
            if not _HOST.match(name):
                yield Failure(f"dnsNames[{number}]", f"{name!r} is not an exact host name: no wildcard, no address")
        if strange := sorted(set(new.usages) - USAGES):
            yield Failure("usages", f"{', '.join(strange)}: use client, server, both, or none for a seal")
        if new.ttl_hours <= 0:
            yield Failure("ttlHours", f"{new.ttl_hours} h is no lifetime: give whole hours above 0")
        elif not 0 <= new.renew_after < new.ttl_hours:
            yield Failure("renewAfter", f"{new.renew_after} h is not within the {new.ttl_hours} h of life: lower it")

    def same(self, name: str, old: JSON, new: JSON) -> bool:
        """Compare lists of names without regard to order."""
        if name in _LISTS and isinstance(old, list) and isinstance(new, list):
            return sorted(map(str, old)) == sorted(map(str, new))
        return old == new

    def create(self, services: Services, new: CertificateInputs) -> Result:
        """Make key and certificate, or finish what an earlier run began."""
        entry = _authority(services).ensure(_spec(new))
        return Result(identifier(new.unit, _id(new)), _outputs(entry))

    def read(self, services: Services, id: str, known: CertificateInputs | None) -> Found | None:
        """Return the newest good certificate, or on import the one of that serial."""
        parts = id.split("/")
        authority = _authority(services)
        if known is not None:
            standing = authority.standing(known.unit, _id(known), known.machine)
        elif len(parts) == 3:  # noqa: PLR2004 - unit, certificate, serial
            standing = authority.archived(parts[0], parts[1], parts[2].replace(":", "").lower())
        else:
            raise UsageError(
                f"{id!r} does not name a certificate to import", hint="write <unit>/<certificate>/<serial in hex>"
            )
        return _found(standing, known) if standing else None

    def update(self, services: Services, id: str, old: CertificateInputs, new: CertificateInputs) -> Result:
        """Issue a certificate of the new description with the same key; a renewal is an update without change."""
        return Result(id, _outputs(_authority(services).ensure(_spec(new))))

    def delete(self, services: Services, id: str, old: CertificateInputs) -> None:
        """Revoke, see it on the published CRL, remove key and certificate from the machine. The archive stays."""
        _authority(services).withdraw(old.unit, _id(old), old.machine)

    def renewal(self, old_outputs: Mapping[str, JSON], now: datetime) -> str | None:
        """Ask for an update when two thirds of the life are over, or when the machine doesn't hold the certificate."""
        if not old_outputs.get("serial"):
            return "the machine does not hold the certificate with its key: it is installed or issued again"
        renewal_at = str(old_outputs.get("renewalAt") or "")
        if renewal_at and now >= datetime.fromisoformat(renewal_at):
            return f"renewal is due since {renewal_at}: the certificate ends on {old_outputs.get('notAfter')}"
        return None


def _authority(services: Services) -> Authority:
    return Authority(services.vault, lambda: services.ssh, services.clock)


def _id(inputs: CertificateInputs) -> str:
    return inputs.key.removeprefix(PREFIX)


def _spec(inputs: CertificateInputs) -> CertificateSpec:
    return CertificateSpec(
        unit=inputs.unit,
        id=_id(inputs),
        machine=inputs.machine,
        mount=inputs.mount,
        role=inputs.role,
        common_name=inputs.common_name,
        dns_names=inputs.dns_names,
        uris=inputs.uris,
        usages=inputs.usages,
        ttl_hours=inputs.ttl_hours,
        renew_after_hours=inputs.renew_after,
    )


def _found(standing: Standing, known: CertificateInputs | None) -> Found:
    spec = standing.entry.spec
    inputs = CertificateInputs(
        unit=spec.unit,
        key=f"{PREFIX}{spec.id}",
        machine=spec.machine,
        mount=spec.mount,
        role=spec.role,
        common_name=spec.common_name,
        dns_names=_spelled(known.dns_names if known else (), spec.dns_names),
        uris=_spelled(known.uris if known else (), spec.uris),
        usages=_spelled(known.usages if known else (), spec.usages),
        ttl_hours=spec.ttl_hours,
        renew_after=spec.renew_after_hours,
    )
    outputs = _outputs(standing.entry)
    if standing.installed is False:
        outputs["serial"] = ""
    return Found(identifier(spec.unit, spec.id), inputs, outputs)


def _spelled(known: tuple[str, ...], found: tuple[str, ...]) -> tuple[str, ...]:
    return known if sorted(known) == sorted(found) else found


def _outputs(entry: Entry) -> dict[str, JSON]:
    facts = entry.facts
    return {
        "serial": facts.serial,
        "fingerprint": facts.fingerprint,
        "notBefore": _rfc3339(facts.not_before),
        "notAfter": _rfc3339(facts.not_after),
        "renewalAt": _rfc3339(facts.renewal_at(entry.spec.renew_after_hours)),
        "publicKey": facts.public_key,
        "issuer": facts.issuer,
    }


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
