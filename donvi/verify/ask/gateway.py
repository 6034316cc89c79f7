"""Asks the shared systems from a unit's own gateway, where the unit's private keys are; one batch per gateway.

The batch is ``on_machine.py``, run there by the machine's Python; the questions, passwords among them, are its standard input.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from donvi.verify.ask import Inconclusive, names
from donvi.verify.ask.machines import connect
from donvi.verify.ask.directory import WRONG_PASSWORD

if TYPE_CHECKING:
    from testinfra.host import Host

    from donvi.tenancy.model import Account, Certificate, SystemAccess, Tenancy
    from donvi.verify.ask.context import Context

PROGRAM = Path(__file__).with_name("on_machine.py")
ROOT = "/etc/donvi/tls/root.crt"
WRAP_SECONDS = 120


class ServiceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a system's service did with one request."""

    stage: str  # unreachable | untrusted | refused | answered
    status: int = 0  # HTTP status when answered
    detail: str = ""

    def __str__(self) -> str:
        return f"HTTP {self.status}" if self.stage == "answered" else f"{self.stage}: {self.detail}"


class KeyFile(msgspec.Struct, frozen=True):
    """A private key's file on the gateway; the key itself is never read."""

    exists: bool
    mode: int
    owner: str
    public_key: str  # PEM, "" when the file holds no key
    certificate: str  # PEM chain beside it, "" when there is none


class VaultAnswer(msgspec.Struct, frozen=True):
    """What Vault answered the unit's own machine identity, as HTTP statuses; 0: not asked."""

    unwrap: int = 0
    login: int = 0
    own: int = 0
    foreign: int = 0
    detail: str = ""


class GatewayAnswers(msgspec.Struct, frozen=True):
    """All that was asked from one unit's gateway."""

    services: dict[str, ServiceAnswer]  # by question, see the functions below
    names: dict[str, names.NameAnswer]  # by record id
    keys: dict[str, KeyFile]  # by certificate id
    revocations: dict[str, str]  # by URL: the list, base64; "" when it can't be fetched
    vault: VaultAnswer


def key_path(code: str, certificate: str) -> str:
    """Return where a unit's private key is on its gateway."""
    return f"/etc/donvi/units/{code}/{certificate}.key"


def certificate_path(code: str, certificate: str) -> str:
    """Return where a unit's certificate chain is on its gateway."""
    return f"/etc/donvi/units/{code}/{certificate}.crt"


def services(tenancy: Tenancy) -> tuple[SystemAccess, ...]:
    """Return the systems that have a service of their own which authorises by certificate, account and role."""
    return tuple(s for s in tenancy.systems if s.port and probes_of(tenancy, s.id) and s.id != "mail")


def probes_of(tenancy: Tenancy, system: str) -> tuple[Account, ...]:
    """Return the probe accounts that hold a role on a system."""
    return tuple(
        a for a in tenancy.accounts if a.kind == "probe" and any(grant.system == system for grant in a.grants)
    )


def stranger(tenancy: Tenancy, system: str) -> Account | None:
    """Return a probe account without any role on a system; it has a good password all the same."""
    others = (
        a for a in tenancy.accounts if a.kind == "probe" and all(grant.system != system for grant in a.grants)
    )
    return next(others, None)


def presented(tenancy: Tenancy, system: str) -> str:
    """Return the id of the certificate the unit shows to a system: the system's own one if it has, else the gateway's."""
    own = [c for c in tenancy.certificates if "client" in c.usages]
    return next((c.id for c in own if c.id == system), next((c.id for c in own if c.purpose == "gateway"), ""))
