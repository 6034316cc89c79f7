"""Everything one unit has, and the proof that it works.

The verification comes last and depends on all the rest: ``up`` is green only when the unit is open. It runs again when
the tenancy changed, or when donvi created, changed or repaired anything of it (docs: ``changed_at``); an ``up`` that
changes nothing proves nothing new, ``donvi verify`` always asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from components.accounts import Accounts, AccountsConfig
from components.base import Component
from components.certificates import Certificates, CertificatesConfig
from components.mailboxes import Mailboxes, MailboxesConfig
from components.names import Names, NamesConfig
from donvi.provider import resources as donvi
from donvi.tenancy.names import tsig_credential

if TYPE_CHECKING:
    import pulumi

    from donvi.tenancy import Tenancy


@dataclass(frozen=True)
class UnitTenancyConfig:
    """One unit's description.

    :param zone: the city's DNS zone.
    """

    tenancy: Tenancy
    zone: str


class UnitTenancy(Component):
    """Accounts, mailboxes, certificates and names of a unit, then its verification."""

    def __init__(self, name: str, config: UnitTenancyConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("UnitTenancy", name, opts)
        tenancy, unit = config.tenancy, config.tenancy.unit
        self.accounts = Accounts(
            "accounts",
            AccountsConfig(unit.code, tenancy.organizational_units, tenancy.accounts, tenancy.groups),
            self.own(),
        )
        after = [*self.accounts.containers.values(), *self.accounts.accounts.values()]
        self.mailboxes = Mailboxes(
            "mailboxes", MailboxesConfig(unit.code, tenancy.mailboxes, tenancy.aliases, after), self.own()
        )
        self.certificates = Certificates(
            "certificates",
            CertificatesConfig(unit.code, tenancy.policies, tenancy.app_roles, tenancy.pki_roles, tenancy.certificates),
            self.own(),
        )
        self.names = Names(
            "names", NamesConfig(unit.code, config.zone, tsig_credential(unit.code), tenancy.dns), self.own()
        )
        concerns = {
            "accounts": self.accounts,
            "mailboxes": self.mailboxes,
            "certificates": self.certificates,
            "names": self.names,
        }
        self.resources = [resource for concern in concerns.values() for resource in concern.resources]
        self.verification = donvi.Verification(
            "verification",
            unit=unit.code,
            key="verification",
            digest=digest(tenancy),
            depends={subject: concern.changed_at for subject, concern in concerns.items()},
            opts=self.own(self.resources),
        )
        self.finish(domain=unit.domain, verdict=self.verification.verdict)


def digest(tenancy: Tenancy) -> str:
    """SHA-256 of the description, the same on every machine."""
    return sha256(msgspec.json.encode(tenancy, order="deterministic")).hexdigest()
