"""Vault (HashiCorp's or OpenBao) over hvac: key-value store, policies, AppRoles, PKI, transit, wrapping, SSH.

What goes in: one call per operation of Vault's API that donvi uses, our errors, our owner marks. What stays out: what
a unit should have (``donvi.tenancy``), the engine (``donvi.provider``), mounts and auth methods (``playbooks``).
"""

from donvi.backends.vault.approles import AppRoleSpec, canonical_cidr
from donvi.backends.vault.client import VaultClient
from donvi.backends.vault.owners import Owner, conflict
from donvi.backends.vault.pki import PkiRoleSpec, Signed, UrlsSpec, serial_hex
from donvi.backends.vault.policies import CAPABILITIES, PathRule, Policy, canonical, owner_of, parse, render
from donvi.backends.vault.transport import MissingError, escape

__all__ = [
    "CAPABILITIES",
    "AppRoleSpec",
    "MissingError",
    "Owner",
    "PathRule",
    "PkiRoleSpec",
    "Policy",
    "Signed",
    "UrlsSpec",
    "VaultClient",
    "canonical",
    "canonical_cidr",
    "conflict",
    "escape",
    "owner_of",
    "parse",
    "render",
    "serial_hex",
]
