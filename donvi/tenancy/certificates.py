"""Certificates of a unit, the PKI roles that bound them, and the unit's identity in Vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.tenancy import names
from donvi.tenancy.model import AppRole, Certificate, PkiRole, VaultPath, VaultPolicy

if TYPE_CHECKING:
    from donvi.registry import City
    from donvi.tenancy.model import UnitFacts

MOUNTS = {
    "app": "pki-web",
    "gateway": "pki-gateway",
    "seal": "pki-service",
    "service": "pki-service",
    "workstation": "pki-gateway",
}
"""The intermediate that signs, by purpose."""

TOKEN_TTL_SECONDS = 20 * 60
SECRET_ID_TTL_SECONDS = 10 * 60


def certificates(city: City, facts: UnitFacts, gateway: str) -> tuple[Certificate, ...]:
    """Return the certificates, each with the machine that makes its key, by default the gateway; sorted by id.

    Every one names the unit by URI. Only what serves TLS carries DNS names; the common name is allowed by the role.
    """
    found = []
    for system in city.systems.values():
        for rule in system.certificates:
            name = f"{rule.host or rule.id}.{facts.domain}"
            found.append(
                Certificate(
                    id=rule.id,
                    purpose=rule.purpose,
                    machine=f"{rule.machine}-{facts.code}" if rule.machine else gateway,
                    mount=MOUNTS[rule.purpose],
                    role=f"unit-{facts.code}-{rule.id}",
                    common_name=name,
                    dns_names=(name,) if "server" in rule.usages else (),
                    uris=(names.unit_uri(facts.code),),
                    usages=tuple(sorted(rule.usages)),
                    ttl_hours=rule.ttl_hours,
                )
            )
    return tuple(sorted(found, key=lambda certificate: certificate.id))


def pki_roles(found: tuple[Certificate, ...]) -> tuple[PkiRole, ...]:
    """One role per certificate: exact names, nothing else; sorted by mount and name."""
    roles = [
        PkiRole(
            mount=certificate.mount,
            name=certificate.role,
            allowed_domains=(certificate.common_name,),
            allowed_uris=certificate.uris,
            client="client" in certificate.usages,
            server="server" in certificate.usages,
            max_ttl_hours=certificate.ttl_hours,
        )
        for certificate in found
    ]
    return tuple(sorted(roles, key=lambda role: (role.mount, role.name)))


def policies(facts: UnitFacts, roles: tuple[PkiRole, ...]) -> tuple[VaultPolicy, ...]:
    """Return what the unit's machine may do in Vault: its own secrets, and signatures by its own PKI roles."""
    rules = [
        VaultPath(path=f"kv/data/units/{facts.code}/*", capabilities=("create", "delete", "read", "update")),
        VaultPath(path=f"kv/metadata/units/{facts.code}/*", capabilities=("delete", "list", "read")),
        *(VaultPath(path=f"{role.mount}/sign/{role.name}", capabilities=("update",)) for role in roles),
    ]
    return (VaultPolicy(name=f"unit-{facts.code}", rules=tuple(sorted(rules, key=lambda rule: rule.path))),)


def app_roles(facts: UnitFacts) -> tuple[AppRole, ...]:
    """Return the machine identity of the unit, usable from the unit's own networks only."""
    return (
        AppRole(
            name=f"unit-{facts.code}",
            policies=(f"unit-{facts.code}",),
            token_ttl_seconds=TOKEN_TTL_SECONDS,
            secret_id_ttl_seconds=SECRET_ID_TTL_SECONDS,
            bound_cidrs=(facts.ipv4, facts.ipv6),
        ),
    )
