"""Certificates whose keys are made on the machine that uses them, signed by Vault and archived in its KV.

What goes in: the whole life of one certificate (key and request on the machine, signature, archive, installation,
renewal, revocation). What stays out: Vault's API (``donvi.backends.vault``), SSH (``donvi.backends.machines``).
"""

from donvi.backends.pki.archive import Archive, Entry
from donvi.backends.pki.authority import Authority, Standing
from donvi.backends.pki.facts import Facts, facts_of, request_digest, spki_digest
from donvi.backends.pki.issuer import Issuer, alike, superseded
from donvi.backends.pki.spec import CertificateSpec, identifier

__all__ = [
    "Archive",
    "Authority",
    "CertificateSpec",
    "Entry",
    "Facts",
    "Issuer",
    "Standing",
    "alike",
    "facts_of",
    "identifier",
    "request_digest",
    "spki_digest",
    "superseded",
]
