"""Reads from the city's data what the lab needs: zone, servers, systems with a service, networks of the pilot units."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from lab.topology import CityPlan, UnitNetworks

if TYPE_CHECKING:
    from lab.settings import LabSettings

# until donvi.tenancy describes them
_SLOTS = {"26506": ("vung-tau", 36), "25747": ("thu-dau-mot", 0), "26740": ("sai-gon", 67)}


def read(settings: LabSettings) -> CityPlan:
    """Return what the lab needs to know of the city."""
    units = []
    for code in settings.units:
        slug, slot = _SLOTS[code]
        prefix4 = list(IPv4Network("10.0.0.0/8").subnets(new_prefix=20))[16 + slot]
        base6 = int(IPv6Network("fd9b:7a3c:2900::/40").network_address) + ((16 + slot) << 72)
        prefix6 = IPv6Network((base6, 56))
        transit4 = list(prefix4.subnets(new_prefix=24))[15]
        transit6 = IPv6Network((base6 + (15 << 64), 64))
        units.append(UnitNetworks(code, slug, prefix4, prefix6, transit4, transit6))
    return CityPlan(
        domain="tphcm.test",
        zone4=IPv4Network("10.0.1.0/24"),
        zone6=IPv6Network("fd9b:7a3c:2900:1::/64"),
        host=10,
        names=("directory", "mail", "ns1", "vault"),
        systems=(("documents", 8441), ("tthc", 8442), ("lgsp", 8443)),
        units=tuple(units),
    )
