"""What the acceptance run must find true, derived from what the unit has; a new system brings its checks with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.tenancy.model import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.registry import City, System

COMMON = (("directory", "bind"), ("vault", "identity"))
"""Not in the catalogue: what every account and every machine of a unit stands on."""

STAND_IN = ("foreign-unit", "login", "no-certificate", "wrong-role")
MAIL = ("alias", "connection", "delivery", "login", "sender", "unknown-recipient")
APP = ("access", "isolation", "page", "pod-security", "quota", "ready")
"""What an application of the unit's own must be, whatever the system."""

NETWORK = ("dns", "flows", "isolation", "spoofing")


def checks(city: City) -> tuple[Check, ...]:
    """Return the checks of any unit of the city; sorted by id."""
    pairs = [*COMMON, *((s.id, subject) for s in city.systems.values() for subject in _subjects(s))]
    found = [Check(id=f"{system}/{subject}", system=system, subject=subject) for system, subject in pairs]
    return tuple(sorted(found, key=lambda check: check.id))


def _subjects(system: System) -> Iterator[str]:
    if system.service and system.roles:
        yield from STAND_IN if system.service.server == "stand-in" else MAIL
    if system.apps:
        yield from APP
    if system.certificates:
        yield "certificate"
    if any(endpoint.role == "gateway" for endpoint in system.endpoints):
        yield from NETWORK
    if system.endpoints:
        yield "baseline"
