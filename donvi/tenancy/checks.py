"""What the acceptance run must find true, derived from what the unit has; a new system brings its checks with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.tenancy.model import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.registry import City, System

DIRECTORY = "directory"
"""Not in the catalogue: the directory itself is what every account stands on."""

STAND_IN = ("foreign-unit", "login", "no-certificate", "wrong-role")
MAIL = ("alias", "delivery", "unknown-recipient")


def checks(city: City) -> tuple[Check, ...]:
    """Return the checks of any unit of the city; sorted by id."""
    pairs = [(DIRECTORY, "bind"), *((s.id, subject) for s in city.systems.values() for subject in _subjects(s))]
    found = [Check(id=f"{system}/{subject}", system=system, subject=subject) for system, subject in pairs]
    return tuple(sorted(found, key=lambda check: check.id))


def _subjects(system: System) -> Iterator[str]:
    if system.service and system.roles:
        yield from STAND_IN if system.service.server == "stand-in" else MAIL
    if system.certificates:
        yield "certificate"
    if any(endpoint.role == "gateway" for endpoint in system.endpoints):
        yield "dns"
