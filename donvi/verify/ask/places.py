"""Which machine of a unit may ask what, and with which certificate: read from the tenancy, nobody is contacted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from donvi.backends.pki.machine import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.tenancy.model import Account, Certificate, Endpoint, Flow, SystemAccess, Tenancy

ROLES = ("workstation", "gateway")
"""Machines that can be asked from; where both may, a person's own comes first."""


class Place(NamedTuple):
    """Where a system is asked from."""

    endpoint: Endpoint
    certificate: str  # id of what is shown; "" when the machine holds none


def key_path(code: str, certificate: str) -> str:
    """Return where a unit's private key is on its machine."""
    return f"{FOLDER}/{code}/{certificate}.key"


def certificate_path(code: str, certificate: str) -> str:
    """Return where a unit's certificate chain is on its machine."""
    return f"{FOLDER}/{code}/{certificate}.crt"


def machines(tenancy: Tenancy) -> tuple[Endpoint, ...]:
    """Return the unit's machines that can be asked from, workstations first."""
    found = (endpoint for endpoint in tenancy.endpoints if endpoint.role in ROLES)
    return tuple(sorted(found, key=lambda endpoint: (ROLES.index(endpoint.role), endpoint.id)))


def machine(tenancy: Tenancy, role: str) -> Endpoint | None:
    """Return the unit's first machine of a role."""
    return next((endpoint for endpoint in machines(tenancy) if endpoint.role == role), None)


def flows_of(tenancy: Tenancy, endpoint: Endpoint) -> tuple[Flow, ...]:
    """Return what a machine may open."""
    who = (endpoint.segment, endpoint.role)
    return tuple(flow for flow in tenancy.flows if (flow.segment, flow.endpoint) == who)


def place_of(tenancy: Tenancy, system: SystemAccess) -> Place | None:
    """Return from where a system's service is asked: the first machine that a flow lets there, with what it shows."""
    for endpoint in machines(tenancy):
        if any((flow.system, flow.port) == (system.id, system.port) for flow in flows_of(tenancy, endpoint)):
            return Place(endpoint, shown(tenancy, endpoint, system.id))
    return None


def shown(tenancy: Tenancy, endpoint: Endpoint, system: str) -> str:
    """Return the id of the certificate that a machine shows to a system: the system's own if it is there, else its."""
    there = {c.id for c in held(tenancy, endpoint) if "client" in c.usages}
    return system if system in there else identity(tenancy, endpoint)


def identity(tenancy: Tenancy, endpoint: Endpoint) -> str:
    """Return the id of the certificate that says which machine it is; "" when it has none."""
    return next((c.id for c in held(tenancy, endpoint) if c.purpose == endpoint.role), "")


def held(tenancy: Tenancy, endpoint: Endpoint) -> tuple[Certificate, ...]:
    """Return the certificates whose keys are on a machine."""
    return tuple(c for c in tenancy.certificates if c.machine == endpoint.id)


def neighbours(tenancy: Tenancy, endpoint: Endpoint, names: Iterable[str]) -> dict[str, str]:
    """Return the machines of other units that do what ``endpoint`` does, by unit code.

    :param names: the deployment's machines.
    """
    kind = endpoint.id.removesuffix(tenancy.unit.code)
    codes = {name.removeprefix(kind): name for name in sorted(names) if name.startswith(kind) and name != endpoint.id}
    return {code: name for code, name in codes.items() if code.isdigit()}


def services(tenancy: Tenancy) -> tuple[SystemAccess, ...]:
    """Return the systems whose service authorises by certificate, account and role."""
    return tuple(s for s in tenancy.systems if s.port and probes_of(tenancy, s.id) and s.id != "mail")


def interfaces(tenancy: Tenancy) -> tuple[SystemAccess, ...]:
    """Return the systems that also serve the unit's machine, by certificate alone."""
    return tuple(system for system in services(tenancy) if system.unit_bound)


def probes_of(tenancy: Tenancy, system: str) -> tuple[Account, ...]:
    """Return the probe accounts that hold a role on a system."""
    return tuple(a for a in tenancy.accounts if a.kind == "probe" and any(grant.system == system for grant in a.grants))


def without_role(tenancy: Tenancy, system: str, role: str) -> tuple[Account, ...]:
    """Return probe accounts that don't hold a role: those with another role of the system, and one without any."""
    probes = [a for a in tenancy.accounts if a.kind == "probe"]
    others = [a for a in probes if (system, role) not in {(grant.system, grant.role) for grant in a.grants}]
    near = [a for a in others if any(grant.system == system for grant in a.grants)]
    return (*near, *[a for a in others if a not in near][:1])


def role_of(probe: Account, system: str) -> str:
    """Return the role that a probe holds on a system."""
    return next(grant.role for grant in probe.grants if grant.system == system)
