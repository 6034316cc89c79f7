"""DNS record sets by dynamic update (RFC 2136) with TSIG (RFC 8945), over TCP, on the primary server.

What goes in: reading and replacing one record set together with its owner mark. What stays out: zones, keys and the
server's configuration (``playbooks``), which names a unit has (``donvi.tenancy``).
"""

from donvi.backends.dns.records import MARK_LABEL, Mark, RecordSet, canonical_name, canonical_values
from donvi.backends.dns.updater import DnsReader, DnsUpdater, Tsig

__all__ = [
    "MARK_LABEL",
    "DnsReader",
    "DnsUpdater",
    "Mark",
    "RecordSet",
    "Tsig",
    "canonical_name",
    "canonical_values",
]
