"""What rules know of the city: whose address, whose name, whose code. From ``city.yaml`` and the ledger alone."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"

_CODES = re.compile(
    r"(?:\bunit[-_:]|\bou=|\burn:donvi:unit:|\bunits/|\btsig/|\bprobes/|\bprobe-|\b(?:gw|ws)-|\bcertificates/|\bdonvi-)"
    r"(?P<code>[0-9]{5})\b"
)
"""Where a unit's code stands in a DN, a path, a namespace, a group, the name of a machine, role, policy or key."""


@dataclass(frozen=True)
class UnitFacts:
    """The names and numbers that are a unit's own."""

    code: str
    domain: str
    ipv4: str
    ipv6: str

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """Both prefixes."""
        return (ipaddress.ip_network(self.ipv4), ipaddress.ip_network(self.ipv6))


@dataclass(frozen=True)
class CityFacts:
    """The city's domain, its units by code, and the ranges in which only units have addresses.

    :param pools: ranges from which units get their prefixes.
    :param reserved: the parts of them that the city's own servers use.
    """

    domain: str
    units: Mapping[str, UnitFacts]
    pools: tuple[str, ...]
    reserved: tuple[str, ...]

    @cached_property
    def _pools(self) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(pool) for pool in self.pools)

    @cached_property
    def _reserved(self) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(part) for part in self.reserved)

    @cached_property
    def _domains(self) -> Mapping[str, str]:
        return {unit.domain: unit.code for unit in self.units.values()}

    def own_networks(self, unit: str) -> tuple[Network, ...]:
        """Return the unit's prefixes; none for the platform or a code that the ledger doesn't have."""
        found = self.units.get(unit)
        return found.networks if found else ()

    def reaches_others(self, network: Network, unit: str) -> bool:
        """Whether a range holds addresses of units other than the given one.

        A range inside one of the city's reserved ranges holds none.
        """
        if any(inside(network, own) for own in (*self.own_networks(unit), *self._reserved)):
            return False
        return any(overlap(network, pool) for pool in self._pools)

    def owner_of_name(self, name: str) -> str:
        """Return the code of the unit at or below whose domain a host name lies, or nothing."""
        labels = name.lower().rstrip(".").split(".")
        for start in range(len(labels)):
            if owner := self._domains.get(".".join(labels[start:])):
                return owner
        return ""

    def owners_in(self, text: str) -> Iterator[str]:
        """Yield the code of every unit that a text names by code or by domain."""
        for match in _CODES.finditer(text):
            yield match["code"]
        if self.domain in text:
            for name in re.findall(rf"[A-Za-z0-9_.-]+\.{re.escape(self.domain)}\b", text):
                if owner := self.owner_of_name(name):
                    yield owner

    def below(self, name: str, unit: str) -> bool:
        """Whether a host name is the unit's domain or lies below it."""
        domain = self.units[unit].domain if unit in self.units else ""
        plain = name.lower().rstrip(".")
        return bool(domain) and (plain == domain or plain.endswith(f".{domain}"))


def inside(inner: Network, outer: Network) -> bool:
    """Whether all of one range lies in another; never across families."""
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def overlap(one: Network, other: Network) -> bool:
    """Whether two ranges share an address; never across families."""
    return one.version == other.version and one.overlaps(other)


def read_city(folder: Path | None = None) -> CityFacts:
    """Return the facts from the city's settings and ledger; nothing else of the city is read.

    :raises DataError: one of the two files is wrong.
    """
    from donvi.registry.city import city_folder  # 50 ms that most resources don't need
    from donvi.registry.ledger import current, read_ledger
    from donvi.registry.settings import read_settings

    place = city_folder(folder)
    settings = read_settings(place / "city.yaml")
    allotments = current(read_ledger(place / "ledger.csv", settings))
    pools = settings.pools
    # the form of the domain is `donvi.tenancy.names.unit_domain`'s, which wants the whole city; a test compares them
    return CityFacts(
        domain=settings.domain,
        units={
            code: UnitFacts(code, f"{one.slug}.{settings.domain}", one.ipv4, one.ipv6)
            for code, one in allotments.items()
        },
        pools=(pools.ipv4, pools.ipv6),
        reserved=(pools.ipv4_reserved, pools.ipv6_reserved),
    )
