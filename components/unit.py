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
from components.machines import Endpoints, MachinesConfig, Network
from components.mailboxes import Mailboxes, MailboxesConfig
from components.names import Names, NamesConfig
from donvi.provider import resources as donvi
from donvi.tenancy.names import tsig_credential
from donvi.tenancy.presence import presence

if TYPE_CHECKING:
    from collections.abc import Collection

    import pulumi

    from components.apps import Apps
    from donvi.tenancy import Tenancy

WORKSTATION = "workstation"


@dataclass(frozen=True)
class UnitTenancyConfig:
    """One unit's description.

    :param zone: the city's DNS zone.
    :param machines: names of the machines that exist in the deployment; what needs another one of the unit is left out.
    :param machine_preview: ``checked``, or ``rendered`` for previews that contact no machine.
    """

    tenancy: Tenancy
    zone: str
    machines: Collection[str]
    machine_preview: str = "checked"


class UnitTenancy(Component):
    """Accounts, mailboxes, certificates, names, network, machines and apps of a unit, then its verification."""

    def __init__(self, name: str, config: UnitTenancyConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("UnitTenancy", name, opts)
        tenancy, unit = config.tenancy, config.tenancy.unit
        here = presence(tenancy, config.machines)
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
            CertificatesConfig(
                unit.code,
                tenancy.policies,
                tenancy.app_roles,
                tenancy.login_groups,
                tenancy.pki_roles,
                here.certificates,
            ),
            self.own(),
        )
        self.names = Names(
            "names", NamesConfig(unit.code, config.zone, tsig_credential(unit.code), tenancy.dns), self.own()
        )
        network = tuple(machine for machine in here.machines if machine.playbook != WORKSTATION)
        workstations = tuple(machine for machine in here.machines if machine.playbook == WORKSTATION)
        self.network = Network("network", MachinesConfig(unit.code, network, config.machine_preview), self.own())
        self.endpoints = Endpoints(
            "endpoints",
            MachinesConfig(unit.code, workstations, config.machine_preview),
            self.own(self.network.resources),
        )
        self.apps = self._apps(config)
        concerns = {
            "accounts": self.accounts,
            "mailboxes": self.mailboxes,
            "certificates": self.certificates,
            "names": self.names,
            "network": self.network,
            "endpoints": self.endpoints,
            **({"apps": self.apps} if self.apps else {}),
        }
        self.resources = [resource for concern in concerns.values() for resource in concern.resources]
        self.verification = donvi.Verification(
            "verification",
            unit=unit.code,
            key="verification",
            digest=digest(tenancy, here.absent),
            depends={subject: concern.changed_at for subject, concern in concerns.items()},
            versions={"apps": self.apps.versions} if self.apps else {},
            opts=self.own(self.resources, self.apps.objects if self.apps else ()),
        )
        self.said_of_endpoints = here.endpoints
        self.finish(domain=unit.domain, endpoints=here.endpoints, verdict=self.verification.verdict)

    def _apps(self, config: UnitTenancyConfig) -> Apps | None:
        """Return what the unit has in the cluster; ``None`` when the catalogue gives it no app."""
        tenancy = config.tenancy
        if not tenancy.apps:
            return None
        from components.apps import Apps, AppsConfig  # a third of a second that nothing else needs

        signing = {(app.certificate.mount, app.certificate.role) for app in tenancy.apps}
        roles = tuple(role for name, role in self.certificates.pki_roles.items() if name in signing)
        return Apps("apps", AppsConfig(tenancy.unit.code, tenancy.namespaces, tenancy.apps, roles), self.own())


def digest(tenancy: Tenancy, absent: tuple[str, ...] = ()) -> str:
    """SHA-256 of the description and of what is missing here, the same on every machine."""
    text = msgspec.json.encode(tenancy, order="deterministic")
    return sha256(text + " ".join(absent).encode()).hexdigest()
