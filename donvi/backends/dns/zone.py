"""The name server for a look at everything: whole zones by transfer (RFC 5936), then answers from memory.

A key that may transfer may do nothing else. Where the server refuses, or the key doesn't exist, names are asked for one
by one, with the same answers.
"""

from __future__ import annotations

import threading

import dns.exception
import dns.name
import dns.query
import dns.rdataset
import dns.rdatatype
import dns.tsig
import dns.xfr
import dns.zone

from donvi.backends.dns.records import absolute
from donvi.backends.dns.updater import SILENCE, TIMEOUT, DnsReader, Tsig
from donvi.errors import PermissionDeniedError


class ZoneReader(DnsReader):
    """A reader that answers from the zones it transferred; other names it asks the server for."""

    def __init__(self, server: str, port: int, tsig: Tsig | None) -> None:
        super().__init__(server, port)
        self._tsig = tsig
        self._zones: dict[dns.name.Name, dns.zone.Zone] = {}
        self._lock = threading.Lock()

    @property
    def records(self) -> int:
        """How many record sets were transferred."""
        return sum(1 for zone in self._zones.values() for _ in zone.iterate_rdatasets())

    def transfer(self, zone: str) -> None:
        """Fetch a whole zone.

        :raises PermissionDeniedError: the server gives it to nobody, or not with this key.
        :raises UnreachableError: it doesn't answer.
        """
        origin = absolute(zone)
        found = dns.zone.Zone(origin, relativize=False)
        try:
            query, _ = dns.xfr.make_query(
                found, serial=None, keyring=self._tsig.key() if self._tsig else None, use_edns=None
            )
            dns.query.inbound_xfr(self.server, found, query, port=self.port, timeout=TIMEOUT, lifetime=3 * TIMEOUT)
        except (dns.xfr.TransferError, dns.tsig.PeerError, dns.tsig.BadSignature, dns.exception.FormError) as error:
            raise PermissionDeniedError(
                f"{self._server} doesn't transfer the zone {zone}: {type(error).__name__}",
                hint="the datacentre playbook gives operators a key for it: run it (`make up`)",
            ) from None
        except SILENCE as error:
            raise self._unreachable(error) from None
        with self._lock:
            self._zones[origin] = found

    def _lookup(self, name: dns.name.Name, kind: str) -> dns.rdataset.Rdataset | None:
        zone = next((zone for origin, zone in self._zones.items() if name.is_subdomain(origin)), None)
        if zone is None or self._delegated(zone, name):
            return super()._lookup(name, kind)
        return zone.get_rdataset(name, dns.rdatatype.from_text(kind)) or self._alias(zone, name, kind)

    def _alias(self, zone: dns.zone.Zone, name: dns.name.Name, kind: str) -> dns.rdataset.Rdataset | None:
        """Ask the server about what a transfer alone doesn't tell: a wildcard or another type's answer."""
        if zone.get_node(name) is not None:
            return None
        parent = name
        while parent != zone.origin:
            parent = parent.parent()
            if zone.get_node(dns.name.Name((b"*", *parent.labels))) is not None:
                return super()._lookup(name, kind)
        return None

    @staticmethod
    def _delegated(zone: dns.zone.Zone, name: dns.name.Name) -> bool:
        """Say whether the zone hands the name to another server; then it doesn't hold the answer."""
        while name != zone.origin:
            if zone.get_rdataset(name, "NS") is not None:
                return True
            name = name.parent()
        return False
