"""``city.yaml`` and ``posts.yaml``: the city's own facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from donvi.registry.addresses import network, overlap
from donvi.registry.documents import Document, read_document
from donvi.registry.lookup import closest
from donvi.registry.model import ClusterMachine, Post, Posts, Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path


_FAMILIES: tuple[tuple[Literal[4, 6], str], ...] = ((4, "ipv4"), (6, "ipv6"))


def read_settings(path: Path) -> Settings:
    """Return the city.

    :raises DataError: a prefix that isn't one, zones that overlap or lie outside the reserved range, doubled ids.
    """
    document = read_document(path)
    settings = document.parse(Settings)
    _check_pools(document, settings)
    _check_zones(document, settings)
    _check_machines(document, settings)
    _check_references(document, settings)
    _check_hosts(document, settings)
    unique(document, "$.zones", "id", [zone.id for zone in settings.zones])
    unique(document, "$.segments", "kind", [segment.kind for segment in settings.segments])
    unique(document, "$.segments", "number", [segment.number for segment in settings.segments])
    unique(document, "$.segments", "vlan", [segment.vlan for segment in settings.segments])
    for index, segment in enumerate(settings.segments):
        if segment.vlan % 10:
            hint = "the nine numbers after it are for further sites"
            raise document.error(f"$.segments[{index}].vlan", f"{segment.vlan} isn't a multiple of ten", hint)
    return settings


def read_posts(path: Path) -> dict[str, Post]:
    """Return the posts by id.

    :raises DataError: a doubled id, or a field that isn't right.
    """
    document = read_document(path)
    posts = document.parse(Posts).posts
    unique(document, "$.posts", "id", [post.id for post in posts])
    return {post.id: post for post in sorted(posts, key=lambda post: post.id)}


def unique(document: Document, path: str, field: str, values: Sequence[object]) -> None:
    """Refuse a list whose elements have a field in common.

    :raises DataError: at the second of two equal values.
    """
    for index, value in enumerate(values):
        if value in values[:index]:
            first = document.position(f"{path}[{values.index(value)}]")[0]
            raise document.error(f"{path}[{index}].{field}", f"{field} {value!r} stands in row {first} already")


def servers(settings: Settings) -> list[str]:
    """Return the names of the city's own servers, such as ``vault``."""
    return [name for zone in settings.zones for machine in zone.named for name in machine.names]


def known(document: Document, path: str, what: str, name: str, names: Collection[str]) -> None:
    """Refuse a name that isn't among those known.

    :raises DataError: with the nearest known name.
    """
    if name not in names:
        near = closest(name, names)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(names))}"
        raise document.error(path, f"there is no {what} {name!r}", hint)


def _prefix(document: Document, path: str, text: str, version: Literal[4, 6]) -> None:
    try:
        network(text, version)
    except ValueError as error:
        raise document.error(path, str(error)) from error


def _check_pools(document: Document, settings: Settings) -> None:
    for version, name in _FAMILIES:
        for field in (name, f"{name}_reserved"):
            _prefix(document, f"$.pools.{field}", getattr(settings.pools, field), version)
        pool = network(getattr(settings.pools, name), version)
        reserved = network(getattr(settings.pools, f"{name}_reserved"), version)
        if reserved not in pool or reserved.first != pool.first:
            raise document.error(f"$.pools.{name}_reserved", f"{reserved} must be the first part of {pool}")
        if getattr(settings.pools, f"{name}_unit_bits") < reserved.prefixlen:
            raise document.error(f"$.pools.{name}_unit_bits", f"a unit's part is larger than the reserved {reserved}")


def _check_zones(document: Document, settings: Settings) -> None:
    for version, name in _FAMILIES:
        for index, zone in enumerate(settings.zones):
            path = f"$.zones[{index}].{name}"
            prefix = getattr(zone, name)
            _prefix(document, path, prefix, version)
            reserved = getattr(settings.pools, f"{name}_reserved")
            if network(prefix, version) not in network(reserved, version):
                raise document.error(path, f"{prefix} lies outside the city's reserved {reserved}")
        if pair := overlap((zone.id, getattr(zone, name)) for zone in settings.zones):
            raise document.error("$.zones", f"the {name} networks of zones {pair[0]} and {pair[1]} overlap")


def _check_machines(document: Document, settings: Settings) -> None:
    """Refuse two machines of a zone with one host number, and a second cluster."""
    for index, zone in enumerate(settings.zones):
        taken: dict[int, str] = {}
        for field in ("machine", "services", "cluster"):
            machine = getattr(zone, field)
            if machine and (other := taken.setdefault(machine.host, machine.name)) != machine.name:
                raise document.error(f"$.zones[{index}].{field}.host", f"{other} has the number {machine.host} already")
    for index in [index for index, zone in enumerate(settings.zones) if zone.cluster][1:]:
        raise document.error(f"$.zones[{index}].cluster", "the city has a cluster already", "one zone names it")
    for index, zone in enumerate(settings.zones):
        if zone.cluster:
            _check_cluster(document, f"$.zones[{index}].cluster", zone.cluster, settings)


def _check_cluster(document: Document, path: str, cluster: ClusterMachine, settings: Settings) -> None:
    """Refuse networks of pods and Services that are nowhere or somebody else's."""
    named = [("pods", cluster.pods), ("services", cluster.services)]
    for field, prefix in named:
        _prefix(document, f"{path}.{field}", prefix, 4)
        if network(prefix, 4) not in network(settings.pools.ipv4_reserved, 4):
            raise document.error(f"{path}.{field}", f"{prefix} lies outside the city's {settings.pools.ipv4_reserved}")
    if pair := overlap([*((zone.id, zone.ipv4) for zone in settings.zones), *named]):
        raise document.error(path, f"the networks {pair[0]} and {pair[1]} overlap")


def _check_references(document: Document, settings: Settings) -> None:
    zones, segments = [zone.id for zone in settings.zones], [segment.kind for segment in settings.segments]
    for index, segment in enumerate(settings.segments):
        for place, zone in enumerate(segment.zones):
            known(document, f"$.segments[{index}].zones[{place}]", "zone", zone, zones)
    for index, link in enumerate(settings.links):
        known(document, f"$.links[{index}].zone", "zone", link.zone, zones)
        known(document, f"$.links[{index}].host", "server", link.host, servers(settings))
    for index, hosts in enumerate(settings.hosts):
        known(document, f"$.hosts[{index}].segment", "segment", hosts.segment, segments)
        known(document, f"$.hosts[{index}].role", "kind of machine", hosts.role, settings.endpoint_roles)


def _check_hosts(document: Document, settings: Settings) -> None:
    """Refuse ranges of host numbers that run backwards, leave their segment or overlap."""
    for field, highest in (("main", 254), ("further", 30)):
        taken: dict[str, list[tuple[int, int]]] = {}
        for index, hosts in enumerate(settings.hosts):
            if (numbers := getattr(hosts, field)) is None:
                continue
            (first, last), path = numbers, f"$.hosts[{index}].{field}"
            if not first <= last <= highest:
                raise document.error(path, f"{first} to {last} isn't a range of host numbers", f"up to {highest}")
            others = taken.setdefault(hosts.segment, [])
            if any(first <= end and start <= last for start, end in others):
                raise document.error(path, f"some of the numbers {first} to {last} of {hosts.segment} are taken")
            others.append((first, last))
