"""The core router: a base that ``platform`` owns, and a fragment per unit that the unit's stack owns.

The base holds the hooks, the zones and two empty places: the map ``units`` from an interface to a unit's chain, and the
sets of the units' sources. A fragment fills its own chain and sets, then hangs itself there. Each file is one
transaction, so a fragment comes and goes without anybody else noticing, and a new base leaves the fragments hanging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.tenancy.firewall.common import (
    ANSWERS,
    ERRORS,
    FORGED,
    HOOK_FORWARD,
    HOOK_INGRESS,
    HOOK_INPUT,
    INPUT_DENIED,
    INVALID,
    NEIGHBOURS,
    OPERATOR,
    REFUSE_INVALID,
    ingress,
)
from donvi.tenancy.firewall.flows import Pair, flow_rules, link_rules, unit_flows, zone_links
from donvi.tenancy.firewall.text import (
    FLOW4,
    FLOW6,
    LINK4,
    LINK6,
    SOURCE4,
    SOURCE6,
    TABLE,
    Element,
    add_elements,
    chain,
    counter,
    delete_elements,
    document,
    name,
    named_set,
    quoted,
    table,
    verdict_map,
)
from donvi.tenancy.names import router_interface

if TYPE_CHECKING:
    from donvi.tenancy.model import Platform, Tenancy, ZoneNetwork

HOOKS = ("ingress", "forward", "input")


def router_base(platform: Platform) -> str:
    """Return the base; loading it again makes its own parts anew and leaves the units' fragments as they are.

    Zones are apart from each other and from the units: only the links that the city names pass, and answers.
    """
    about = (
        "Core router, base. Rendered from the city's data; what is changed here is lost.",
        "Makes its own parts anew in one transaction; the units' fragments stay.",
    )
    links = {zone.id: zone_links(platform.links, zone) for zone in platform.zones}
    return document(about, table(_places(platform, links)), _emptied(platform, links), table(_base(platform, links)))


def router_fragment(tenancy: Tenancy) -> str:
    """Return the unit's fragment; it fails as a whole where the base isn't loaded."""
    unit, flows, identifier = tenancy.unit, unit_flows(tenancy), f"unit_{tenancy.unit.code}"
    about = (
        f"Core router, fragment of unit {unit.code} ({unit.name}).",
        "Rendered from the city's data; what is changed here is lost. Replaces the fragment in one transaction.",
    )
    rules = [*flow_rules(f"{identifier}_", flows), f"counter name {identifier}_denied drop"]
    return document(
        about,
        _made(tenancy),
        [f"flush {kind} {TABLE} {own}" for kind, own in _parts(identifier) if kind != "counter"],
        add_elements(f"{identifier}_4", flows.four),
        add_elements(f"{identifier}_6", flows.six),
        [f"add rule {TABLE} {identifier} {rule}" for rule in rules],
        _hung(tenancy),
    )


def router_fragment_removal(tenancy: Tenancy) -> str:
    """Return what takes the unit's fragment away, whole, half-made or absent; the base must be there."""
    identifier, unit = f"unit_{tenancy.unit.code}", tenancy.unit
    four, six, place = _hooks(tenancy)
    about = (f"Core router: removes the fragment of unit {unit.code} ({unit.name}).",)
    return document(
        about,
        _made(tenancy),
        _hung(tenancy),
        delete_elements("units", place),
        delete_elements("unit_sources4", four),
        delete_elements("unit_sources6", six),
        [f"delete {kind} {TABLE} {own}" for kind, own in _parts(identifier)],
    )


def _places(platform: Platform, links: dict[str, Pair]) -> list[list[str]]:
    """Return everything the base needs to be there, empty."""
    return [
        counter(*FORGED),
        counter(*INVALID),
        counter("stray_denied", "came from no unit and no zone"),
        counter(*INPUT_DENIED),
        *(
            counter(f"from_{name(z.id)}_denied", f"opened by the zone {z.id}, and no link of it")
            for z in platform.zones
        ),
        named_set("unit_sources4", SOURCE4),
        named_set("unit_sources6", SOURCE6),
        verdict_map("units"),
        named_set("zone_sources4", SOURCE4),
        named_set("zone_sources6", SOURCE6),
        verdict_map("zones"),
        *(
            named_set(f"{name(zone)}_links{family}", kind, interval=False)
            for zone in links
            for family, kind in ((4, LINK4), (6, LINK6))
        ),
        *(chain(f"from_{name(zone)}", ()) for zone in links),
        *(chain(hook, ()) for hook in HOOKS),
    ]


def _emptied(platform: Platform, links: dict[str, Pair]) -> list[str]:
    sets = ["zone_sources4", "zone_sources6", *(f"{name(zone)}_links{family}" for zone in links for family in (4, 6))]
    return [
        *(f"delete chain {TABLE} {hook}" for hook in HOOKS),
        f"flush map {TABLE} zones",
        *(f"flush chain {TABLE} from_{name(zone.id)}" for zone in platform.zones),
        *(f"flush set {TABLE} {identifier}" for identifier in sets),
    ]


def _base(platform: Platform, links: dict[str, Pair]) -> list[list[str]]:
    zones = platform.zones
    blocks = [
        named_set("zone_sources4", SOURCE4, [Element(f'"{z.interface}" . {z.ipv4}', f"zone {z.id}") for z in zones]),
        named_set("zone_sources6", SOURCE6, [Element(f'"{z.interface}" . {z.ipv6}', f"zone {z.id}") for z in zones]),
    ]
    for zone in zones:
        blocks += _zone(zone, links[zone.id])
    forward = [
        ERRORS,
        REFUSE_INVALID,
        "ct direction reply oifname vmap @units",
        "ct direction reply oifname vmap @zones",
        "iifname vmap @units",
        "iifname vmap @zones",
        "counter name stray_denied",
    ]
    received = [
        'iifname "lo" accept',
        NEIGHBOURS,
        ERRORS,
        ANSWERS,
        REFUSE_INVALID,
        OPERATOR,
        "icmp type echo-request accept",
        "icmpv6 type echo-request accept",
        "counter name input_denied",
    ]
    return [
        *blocks,
        verdict_map("zones", [Element(f'"{z.interface}"', f"zone {z.id}", f"goto from_{name(z.id)}") for z in zones]),
        chain("ingress", ingress(("unit_sources", "zone_sources")), HOOK_INGRESS),
        chain("forward", forward, HOOK_FORWARD),
        chain("input", received, HOOK_INPUT),
    ]


def _zone(zone: ZoneNetwork, links: Pair) -> list[list[str]]:
    identifier = name(zone.id)
    denied = f"counter name from_{identifier}_denied drop"
    if not links.four:
        return [chain(f"from_{identifier}", [denied])]
    rules = link_rules(f"{identifier}_links", links)
    return [
        named_set(f"{identifier}_links4", LINK4, links.four, interval=False),
        named_set(f"{identifier}_links6", LINK6, links.six, interval=False),
        chain(f"from_{identifier}", [*rules, denied]),
    ]


def _parts(identifier: str) -> list[tuple[str, str]]:
    """Return the fragment's own objects, users before what they use."""
    return [
        ("chain", identifier),
        ("set", f"{identifier}_4"),
        ("set", f"{identifier}_6"),
        ("counter", f"{identifier}_denied"),
    ]


def _made(tenancy: Tenancy) -> list[str]:
    """Return what makes the fragment's objects where they are missing."""
    identifier = f"unit_{tenancy.unit.code}"
    comment = quoted(f"opened by unit {tenancy.unit.code}, and no flow of it")
    return [
        f"add counter {TABLE} {identifier}_denied {{ comment {comment}; }}",
        f"add chain {TABLE} {identifier}",
        f"add set {TABLE} {identifier}_4 {{ type {FLOW4}; flags interval; }}",
        f"add set {TABLE} {identifier}_6 {{ type {FLOW6}; flags interval; }}",
    ]


def _hooks(tenancy: Tenancy) -> tuple[list[Element], list[Element], list[Element]]:
    """Return the fragment's elements in the base's sets of sources and in its map of units."""
    unit = tenancy.unit
    port, comment = f'"{router_interface(unit.code)}"', f"{unit.code} {unit.name}"
    return (
        [Element(f"{port} . {unit.ipv4}", comment)],
        [Element(f"{port} . {unit.ipv6}", comment)],
        [Element(port, comment, f"goto unit_{unit.code}")],
    )


def _hung(tenancy: Tenancy) -> list[str]:
    four, six, place = _hooks(tenancy)
    return [
        *add_elements("unit_sources4", four),
        *add_elements("unit_sources6", six),
        *add_elements("units", place),
    ]
