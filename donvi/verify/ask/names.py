"""Asks the authoritative name server, and prepares the same questions for a unit's own resolver."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import msgspec

from donvi.verify.ask import InconclusiveError

if TYPE_CHECKING:
    from donvi.tenancy.model import DnsRecord
    from donvi.verify.ask.context import Context

TIMEOUT = 6.0


class NameAnswer(msgspec.Struct, frozen=True):
    """What a name server said about a record set."""

    values: tuple[str, ...]  # presentation form, sorted
    ttl: int
    authoritative: bool
    status: str  # NOERROR, NXDOMAIN …


def ask_names(context: Context) -> dict[str, NameAnswer]:
    """Return the authoritative server's answer for every record of the tenancy, by record id.

    :raises InconclusiveError: the server doesn't answer.
    """
    place = context.deployment.dns
    answers = {}
    for record in context.tenancy.dns:
        try:
            response = dns.query.tcp(query(record), place.server, timeout=TIMEOUT, port=place.port)
        except (OSError, dns.exception.DNSException) as error:
            raise InconclusiveError(f"the name server {place.server}:{place.port} doesn't answer: {error}") from None
        answers[record.id] = answer(record, response)
    return answers


def query(record: DnsRecord) -> dns.message.Message:
    """Return the question for a record set."""
    return dns.message.make_query(f"{record.name}.", record.type)


def wire(record: DnsRecord) -> str:
    """Return the question in wire form, base64, for a machine that has no DNS library."""
    return base64.b64encode(query(record).to_wire()).decode()


def from_wire(record: DnsRecord, message: str) -> NameAnswer:
    """Read a response in wire form, base64."""
    return answer(record, dns.message.from_wire(base64.b64decode(message)))


def answer(record: DnsRecord, response: dns.message.Message) -> NameAnswer:
    """Read a response."""
    kind = dns.rdatatype.from_text(record.type)
    found = [rrset for rrset in response.answer if rrset.rdtype == kind]
    return NameAnswer(
        values=tuple(sorted(rdata.to_text() for rrset in found for rdata in rrset)),
        ttl=min((rrset.ttl for rrset in found), default=0),
        authoritative=bool(response.flags & dns.flags.AA),
        status=dns.rcode.to_text(response.rcode()),
    )


def wanted(record: DnsRecord) -> tuple[str, ...]:
    """Return the values that the tenancy declares, in the form in which answers are read."""
    rrset = dns.rrset.from_text(f"{record.name}.", record.ttl, dns.rdataclass.IN, record.type, *record.values)
    return tuple(sorted(rdata.to_text() for rdata in rrset))
