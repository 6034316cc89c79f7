"""What of a unit can be made where not every machine of it exists, as in a lab that is smaller than its city.

A description always says the whole. A deployment says which machines there are; what needs another one is left out, and
named, until it is there. Accounts, mailboxes, rights, names, the unit's part of the core router and its applications
need no machine of the unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from donvi.tenancy.machines import unit_machines

if TYPE_CHECKING:
    from collections.abc import Collection

    from donvi.tenancy.machines import MachineConfiguration
    from donvi.tenancy.model import Certificate, Tenancy

NOT_HERE = "not in this lab"
"""What outputs, readiness tables and reports say of a machine that the description has and the deployment hasn't."""
PRESENT = "present"


class Presence(Struct, frozen=True, kw_only=True):
    """The part of a unit that can be made.

    :param certificates: those whose key can be made, because the machine that keeps it exists.
    :param machines: configurations of machines that exist, the core router among them; in the order of making.
    :param absent: names of the unit's machines that don't exist, sorted.
    """

    certificates: tuple[Certificate, ...]
    machines: tuple[MachineConfiguration, ...]
    absent: tuple[str, ...]
    endpoints: str  # what is to be said of the unit's machines


def presence(tenancy: Tenancy, machines: Collection[str]) -> Presence:
    """Return what can be made of a unit where these machines exist, by their names in the deployment."""
    absent = tuple(sorted(endpoint.id for endpoint in tenancy.endpoints if endpoint.id not in machines))
    return Presence(
        certificates=tuple(certificate for certificate in tenancy.certificates if certificate.machine in machines),
        machines=tuple(made for made in unit_machines(tenancy) if made.machine in machines),
        absent=absent,
        endpoints=_said(absent, len(tenancy.endpoints)),
    )


def _said(absent: tuple[str, ...], number: int) -> str:
    if not absent:
        return PRESENT
    return NOT_HERE if len(absent) == number else f"{NOT_HERE}: {', '.join(absent)}"
