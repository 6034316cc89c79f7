"""Questions and updates to the primary name server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.tsig
import dns.update
from msgspec import Struct

from donvi.backends.dns.records import (
    Mark,
    RecordSet,
    absolute,
    canonical_name,
    mark_name,
    mark_text,
    parse_marks,
    rdataset,
)
from donvi.errors import BackendError, ConflictError, PermissionDeniedError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

TIMEOUT = 10.0
ATTEMPTS = 8
"""How often an update is tried anew because somebody else changed the same name in between."""

_CHANGED_MEANWHILE = frozenset({dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN})
SILENCE = (OSError, EOFError, dns.exception.Timeout)
"""What the client raises when nobody answers."""

_DENIED = frozenset({dns.rcode.REFUSED, dns.rcode.NOTAUTH})


class Tsig(Struct, frozen=True):
    """A TSIG key: its name, its algorithm (``hmac-sha256``) and its secret in Base64."""

    name: str
    algorithm: str
    secret: str

    def __repr__(self) -> str:
        return f"Tsig({self.name})"

    def key(self) -> dns.tsig.Key:
        """Return it as dnspython's key."""
        return dns.tsig.Key(dns.name.from_text(self.name), self.secret, dns.name.from_text(self.algorithm))


class DnsReader:
    """Asks the primary server itself, over TCP; needs no key.

    :param server: IP address.
    """

    def __init__(self, server: str, port: int = 53) -> None:
        self.server = server
        self.port = port

    def read(self, name: str, kind: str) -> tuple[RecordSet | None, Mark | None]:
        """Return a record set as it is served, and whose it is."""
        records = self._lookup(absolute(name), kind)
        mark = parse_marks(self._lookup(mark_name(name), "TXT")).get(kind)
        if records is None:
            return None, mark
        values = tuple(sorted(record.to_text() for record in records))
        return RecordSet(name=canonical_name(name), type=kind, ttl=records.ttl, values=values), mark

    def zone_of(self, name: str) -> str:
        """Return the zone that a name lies in.

        :raises BackendError: the server serves none.
        """
        answer = self._ask(absolute(name), "SOA")
        for section in (answer.answer, answer.authority):
            for rrset in section:
                if rrset.rdtype == dns.rdatatype.SOA:
                    return rrset.name.to_text(omit_final_dot=True)
        raise BackendError(f"{self._server} serves no zone that {name} lies in", hint="run the datacentre playbook")

    @property
    def _server(self) -> str:
        return f"the name server {self.server}:{self.port}"

    def _lookup(self, name: dns.name.Name, kind: str) -> dns.rdataset.Rdataset | None:
        answer = self._ask(name, kind)
        found = answer.get_rrset(answer.answer, name, dns.rdataclass.IN, dns.rdatatype.from_text(kind))
        return found.to_rdataset() if found is not None else None

    def _ask(self, name: dns.name.Name, kind: str) -> dns.message.Message:
        query = dns.message.make_query(name, kind)
        query.flags &= ~dns.flags.RD
        answer = self._exchange(query)
        if answer.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            raise self._refusal(f"asking for {name.to_text(omit_final_dot=True)} {kind}", answer.rcode())
        if not answer.flags & dns.flags.AA:
            raise BackendError(
                f"{self._server} does not serve {name.to_text(omit_final_dot=True)} itself",
                hint="the deployment must name the zone's primary server",
            )
        return answer

    def _exchange(self, message: dns.message.Message) -> dns.message.Message:
        try:
            return dns.query.tcp(message, self.server, port=self.port, timeout=TIMEOUT)
        except dns.tsig.PeerBadTime:
            raise PermissionDeniedError(
                f"{self._server} refuses the update's time", hint="set both machines' clocks (NTP)"
            ) from None
        except (dns.tsig.PeerError, dns.tsig.BadSignature) as error:
            # Knot answers BADKEY alike for a key it doesn't know and for a name outside the key's rights
            key = str(message.keyname).rstrip(".")
            raise PermissionDeniedError(
                f"{self._server} doesn't let the TSIG key {key} change this name: {type(error).__name__}",
                hint="a unit's key changes its own domain only; if the key is new, run the datacentre playbook",
            ) from None
        except SILENCE as error:
            raise self._unreachable(error) from None
        except dns.exception.DNSException as error:
            raise BackendError(f"{self._server} answers something odd: {type(error).__name__}") from None

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"{self._server} doesn't answer over TCP: {str(error) or type(error).__name__}",
            hint="see whether it runs (`make lab-status`), then run the same command again",
        )

    def _refusal(self, what: str, code: dns.rcode.Rcode) -> BackendError:
        said = dns.rcode.to_text(code)
        if code in _DENIED:
            return PermissionDeniedError(
                f"{self._server} refuses {what}: {said}",
                hint="the TSIG key may change its own unit's names only, in zones that the server serves",
            )
        return BackendError(f"{self._server} failed at {what}: {said}", hint="look at the server's log")


@dataclass(frozen=True)
class _Seen:
    """What the server holds of a record set at one moment: its records, and the marks beside it."""

    name: str
    kind: str
    records: dns.rdataset.Rdataset | None
    beside: dns.rdataset.Rdataset | None

    @property
    def marks(self) -> dict[str, Mark]:
        return parse_marks(self.beside)

    @property
    def mark(self) -> Mark | None:
        return self.marks.get(self.kind)

    @property
    def exists(self) -> bool:
        return self.records is not None or self.mark is not None

    def shows(self, target: dns.rdataset.Rdataset) -> bool:
        return self.records is not None and self.records == target and self.records.ttl == target.ttl


class DnsUpdater(DnsReader):
    """Replaces and removes record sets, each with its mark, in one atomic update.

    Every update states what it saw as prerequisites (RFC 2136, 2.4); if that changed meanwhile, it looks again.
    """

    def __init__(self, server: str, port: int, tsig: Tsig) -> None:
        super().__init__(server, port)
        self._tsig = tsig

    def ensure(self, zone: str, wanted: RecordSet, mark: Mark, *, replacing: Collection[Mark | None] = ()) -> None:
        """Make a record set what is wanted.

        :param replacing: other marks under which an existing record set may be taken over; ``None`` is no mark.
        :raises ConflictError: it exists with another mark.
        :raises PermissionDeniedError: the key may not change the name.
        """
        target = rdataset(wanted.type, wanted.ttl, wanted.values)
        accepted = {mark, *replacing}
        for _ in range(ATTEMPTS):
            seen = self._see(wanted.name, wanted.type)
            if seen.exists and seen.mark not in accepted:
                raise self._conflict(wanted, seen.mark)
            if seen.mark == mark and seen.shows(target):
                return
            if self._send(zone, seen, target, {**seen.marks, wanted.type: mark}):
                return
        raise self._restless(wanted.name)

    def remove(self, zone: str, name: str, kind: str, owners: Collection[Mark | None]) -> None:
        """Remove a record set and its mark; one that is gone, or that somebody else owns by now, is left alone."""
        for _ in range(ATTEMPTS):
            seen = self._see(name, kind)
            if not seen.exists or seen.mark not in owners:
                return
            if self._send(zone, seen, None, {other: mark for other, mark in seen.marks.items() if other != kind}):
                return
        raise self._restless(name)

    def _see(self, name: str, kind: str) -> _Seen:
        return _Seen(name, kind, self._lookup(absolute(name), kind), self._lookup(mark_name(name), "TXT"))

    def _send(self, zone: str, seen: _Seen, target: dns.rdataset.Rdataset | None, marks: dict[str, Mark]) -> bool:
        """Send one update; ``False`` says that what it saw is true no more."""
        name, owner_name = absolute(seen.name), mark_name(seen.name)
        update = dns.update.UpdateMessage(absolute(zone))
        update.use_tsig(self._tsig.key())
        _require(update, name, seen.kind, seen.records)
        _require(update, owner_name, "TXT", seen.beside)
        _put(update, name, seen.kind, target)
        ttl = target.ttl if target is not None else seen.beside.ttl if seen.beside is not None else 0
        _put(update, owner_name, "TXT", _texts([mark_text(kind, mark) for kind, mark in sorted(marks.items())], ttl))
        code = self._exchange(update).rcode()
        if code in _CHANGED_MEANWHILE:
            return False
        if code != dns.rcode.NOERROR:
            raise self._refusal(f"an update of {seen.name} {seen.kind}", code)
        return True

    @staticmethod
    def _conflict(wanted: RecordSet, found: Mark | None) -> ConflictError:
        whose = f"belongs to unit {found.unit}, key {found.key}" if found else "carries no owner mark"
        identifier = f"{wanted.name}/{wanted.type}"
        return ConflictError(
            f"the record set {identifier} exists already and {whose}",
            hint=f"if it shall be this resource, run `pulumi import donvi:dns:RecordSet NAME {identifier}`, "
            "else choose another name",
        )

    def _restless(self, name: str) -> BackendError:
        return BackendError(
            f"{self._server}: {name} was changed by somebody else {ATTEMPTS} times while we tried",
            hint="run the same command again",
        )


def _require(
    update: dns.update.UpdateMessage, name: dns.name.Name, kind: str, seen: dns.rdataset.Rdataset | None
) -> None:
    if seen is None:
        update.absent(name, kind)
    else:
        update.present(name, *seen)  # records, not the set: a prerequisite's TTL must be 0 (RFC 2136, 2.4.2)


def _put(
    update: dns.update.UpdateMessage, name: dns.name.Name, kind: str, target: dns.rdataset.Rdataset | None
) -> None:
    if target is None:
        update.delete(name, kind)
    else:
        update.replace(name, target)


def _texts(texts: Iterable[str], ttl: int) -> dns.rdataset.Rdataset | None:
    values = tuple(texts)
    return rdataset("TXT", ttl, values) if values else None
