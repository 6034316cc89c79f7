"""A unit's rights and identity in Vault, and the certificates that its machines hold.

Private keys are made on the machines and stay there; neither a program nor the state ever holds one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.base import Component
from donvi.provider import resources as donvi
from donvi.tenancy.access import LOGIN

if TYPE_CHECKING:
    import pulumi

    from donvi.tenancy.model import AppRole, Certificate, LoginGroup, PkiRole, VaultPath, VaultPolicy


@dataclass(frozen=True)
class CertificatesConfig:
    """What a unit has in Vault.

    :param unit: official code.
    """

    unit: str
    policies: tuple[VaultPolicy, ...]
    app_roles: tuple[AppRole, ...]
    login_groups: tuple[LoginGroup, ...]
    pki_roles: tuple[PkiRole, ...]
    certificates: tuple[Certificate, ...]


class Certificates(Component):
    """PKI roles, then policies, the AppRoles and groups that carry them, then certificates signed by the roles."""

    def __init__(self, name: str, config: CertificatesConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Certificates", name, opts)
        self.unit = config.unit
        self.pki_roles = {(role.mount, role.name): self._pki_role(role) for role in config.pki_roles}
        self.policies = {spec.name: policy(self, self.unit, spec) for spec in config.policies}
        for app_role in config.app_roles:
            self._app_role(app_role)
        for group in config.login_groups:
            self._login_group(group)
        self.certificates = {spec.id: self._certificate(spec) for spec in config.certificates}
        self.finish(serials={id_: certificate.serial for id_, certificate in self.certificates.items()})

    def _pki_role(self, spec: PkiRole) -> donvi.PkiRole:
        role = donvi.PkiRole(
            spec.name,
            unit=self.unit,
            key=f"pki-role/{spec.mount}/{spec.name}",
            mount=spec.mount,
            name_=spec.name,
            allowed_domains=spec.allowed_domains,
            allowed_uris=spec.allowed_uris,
            client=spec.client,
            server=spec.server,
            max_ttl_hours=spec.max_ttl_hours,
            organization=spec.organization or None,
            login=spec.login or None,
            opts=self.own(),
        )
        self.keep(role)
        return role

    def _app_role(self, spec: AppRole) -> None:
        role = donvi.AppRole(
            spec.name,
            unit=self.unit,
            key=f"app-role/{spec.name}",
            name_=spec.name,
            policies=spec.policies,
            token_ttl_seconds=spec.token_ttl_seconds,
            secret_id_ttl_seconds=spec.secret_id_ttl_seconds,
            bound_cidrs=spec.bound_cidrs,
            opts=self.own([self.policies[name] for name in spec.policies if name in self.policies]),
        )
        self.keep(role)

    def _login_group(self, spec: LoginGroup) -> None:
        group = donvi.LoginGroup(
            spec.name,
            unit=self.unit,
            key=f"login-group/{LOGIN}/{spec.name}",
            method=LOGIN,
            name_=spec.name,
            policies=spec.policies,
            opts=self.own([self.policies[name] for name in spec.policies if name in self.policies]),
        )
        self.keep(group)

    def _certificate(self, spec: Certificate) -> donvi.Certificate:
        role = self.pki_roles.get((spec.mount, spec.role))
        certificate = donvi.Certificate(
            spec.id,
            unit=self.unit,
            key=f"certificate/{spec.id}",
            machine=spec.machine,
            mount=spec.mount,
            role=spec.role,
            common_name=spec.common_name,
            dns_names=spec.dns_names,
            uris=spec.uris,
            usages=spec.usages,
            ttl_hours=spec.ttl_hours,
            opts=self.own([role] if role else []),
        )
        self.keep(certificate)
        return certificate


def policy(component: Component, unit: str, spec: VaultPolicy) -> donvi.Policy:
    """Declare a policy as a child of a component."""
    rules = [_rule(rule) for rule in spec.rules]
    made = donvi.Policy(
        spec.name, unit=unit, key=f"policy/{spec.name}", name_=spec.name, rules=rules, opts=component.own()
    )
    component.keep(made)
    return made


def _rule(spec: VaultPath) -> donvi.Rule:
    rule = donvi.Rule(path=spec.path, capabilities=list(spec.capabilities))
    return donvi.Rule(**rule, denied=list(spec.denied)) if spec.denied else rule
