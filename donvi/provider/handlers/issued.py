"""What all certificates that Vault signs have in common, wherever their keys lie."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from donvi.backends.pki import CertificateSpec
from donvi.provider.handler import Failure, Handler, Inputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from donvi.backends.pki import Entry
    from donvi.provider.handler import JSON

USAGES = frozenset({"client", "server"})

_UNIT = re.compile(r"\A(?:\d{5}|platform)\Z")
_ID = re.compile(r"\A[a-z0-9][a-z0-9-]{0,62}\Z")
_HOST = re.compile(r"\A(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}\Z")
_LISTS = frozenset({"dnsNames", "uris", "usages"})


class IssuedInputs(Inputs, frozen=True, kw_only=True):
    """A certificate; ``key`` is ``<prefix>/<id>``, and the id names it in the archive.

    ``renew_after`` is in hours since the beginning of validity; 0 is two thirds of the life.
    """

    mount: str
    role: str
    common_name: str
    dns_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    ttl_hours: int
    renew_after: int = 0


I = TypeVar("I", bound=IssuedInputs)  # noqa: E741 - as in handler.py


class IssuedHandler(Handler[I]):
    """Checks and compares what all certificates have, and says when one is renewed.

    :cvar prefix: what ``key`` begins with, before the certificate's id.
    :cvar misplaced: why an update is due when the state's serial is "".
    """

    prefix: str
    misplaced: str

    def check(self, new: I) -> Iterable[Failure]:
        """Refuse names that can't be files or host names, unknown usages, and lifetimes that make no sense."""
        if not _UNIT.match(new.unit):
            yield Failure("unit", f"{new.unit!r} is no unit: give its five-digit code")
        if not (new.key.startswith(self.prefix) and _ID.match(self.id_of(new))):
            reason = f"{new.key!r}: write {self.prefix}<id>, the id in lower-case letters, digits and hyphens"
            yield Failure("key", reason)
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

    def renewal(self, old_outputs: Mapping[str, JSON], now: datetime) -> str | None:
        """Ask for an update when two thirds of the life are over, or when the certificate isn't where it should be."""
        if not old_outputs.get("serial"):
            return self.misplaced
        renewal_at = str(old_outputs.get("renewalAt") or "")
        if renewal_at and now >= datetime.fromisoformat(renewal_at):
            return f"renewal is due since {renewal_at}: the certificate ends on {old_outputs.get('notAfter')}"
        return None

    def id_of(self, inputs: I) -> str:
        """Return the certificate's id inside the unit."""
        return inputs.key.removeprefix(self.prefix)

    def spec(self, inputs: I, place: str) -> CertificateSpec:
        """Return the certificate that the inputs declare, for the machine or Secret that holds its key."""
        return CertificateSpec(
            unit=inputs.unit,
            id=self.id_of(inputs),
            machine=place,
            mount=inputs.mount,
            role=inputs.role,
            common_name=inputs.common_name,
            dns_names=inputs.dns_names,
            uris=inputs.uris,
            usages=inputs.usages,
            ttl_hours=inputs.ttl_hours,
            renew_after_hours=inputs.renew_after,
        )


def spelled(known: tuple[str, ...], found: tuple[str, ...]) -> tuple[str, ...]:
    """Return the known spelling of a list if it holds what was found."""
    return known if sorted(known) == sorted(found) else found


def outputs(entry: Entry) -> dict[str, JSON]:
    """Return what the state holds of a certificate: nothing of its key but the digest of the public half."""
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
