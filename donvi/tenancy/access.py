"""Who of a unit gets into the cluster, and how: by the account in the directory, through Vault, for at most an hour.

A person logs in to Vault; being in the unit's group of administrators brings the policy of the unit's people, which
lets them sign with the unit's own role and no other. The certificate's common name is the account's name, whatever is
asked for; its organisation is the group by which the cluster authorises (``names.cluster_group``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.tenancy import names
from donvi.tenancy.model import LoginGroup, PkiRole, VaultPath, VaultPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.registry import City
    from donvi.tenancy.model import UnitFacts

MOUNT = "pki-cluster"
LOGIN = "ldap"
"""The method by which people log in to Vault."""

TTL_HOURS = 1


def person_role(code: str) -> str:
    """Return the name of the PKI role, and of the policy, of a unit's people."""
    return f"unit-{code}-person"


def administrators(city: City) -> str:
    """Return the group, one in every unit, whose members get into their unit's namespaces; "" when there is none.

    It is that of the role to which the catalogue gives something in the cluster.
    """
    return next((f"{system}-{role}" for system, role in _roles(city)), "")


def pki_roles(city: City, facts: UnitFacts) -> tuple[PkiRole, ...]:
    """Return the role by which the unit's people get certificates for the cluster."""
    found = next(_roles(city), None)
    if found is None:
        return ()
    role = PkiRole(
        mount=MOUNT,
        name=person_role(facts.code),
        allowed_domains=(),
        allowed_uris=(),
        client=True,
        server=False,
        max_ttl_hours=TTL_HOURS,
        organization=names.cluster_group(facts.code, *found),
        login=LOGIN,
    )
    return (role,)


def policies(city: City, facts: UnitFacts) -> tuple[VaultPolicy, ...]:
    """Return what the unit's people may do in Vault: sign with that role, and not choose when it ends."""
    rules = [
        VaultPath(path=f"{role.mount}/sign/{role.name}", capabilities=("update",), denied=("not_after",))
        for role in pki_roles(city, facts)
    ]
    return (VaultPolicy(name=person_role(facts.code), rules=tuple(rules)),) if rules else ()


def login_groups(city: City, facts: UnitFacts) -> tuple[LoginGroup, ...]:
    """Return who gets that policy: the unit's group, which Vault knows by the unit's code."""
    granted = tuple(policy.name for policy in policies(city, facts))
    return (LoginGroup(name=facts.code, policies=granted),) if granted else ()


def _roles(city: City) -> Iterator[tuple[str, str]]:
    return ((system.id, role.id) for system in city.systems.values() for role in system.roles if role.cluster)
