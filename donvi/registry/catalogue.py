"""The catalogue: one file per system, and what the files must agree on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from donvi.errors import DataError
from donvi.registry.apps import check_apps
from donvi.registry.documents import Document, read_document
from donvi.registry.files import shown
from donvi.registry.model import EndpointRule, FlowRule, Post, Settings, System, Zone
from donvi.registry.settings import known, servers, unique

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

PLACEHOLDERS = ("city_domain", "gateway4", "gateway6", "unit_domain")
"""What a record's value may name in braces."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}|[{}]")


def read_systems(
    folder: Path, settings: Settings, posts: Mapping[str, Post], images: Collection[str]
) -> dict[str, System]:
    """Return the systems by id.

    :param images: ids in ``images.yaml``.
    :raises DataError: an unknown post, zone, image, segment, kind of machine or host; what two systems claim.
    """
    read = [(path.stem, read_document(path)) for path in sorted(folder.glob("*.yaml"))]
    if not read:
        raise DataError("holds no system", file=shown(folder), hint="DONVI_CITY must name a complete city folder")
    systems = {name: (document.parse(System), document) for name, document in read}
    for name, (system, document) in systems.items():
        if system.id != name:
            raise document.error("$.id", f"the file is named {name}.yaml, the system {system.id!r}", "rename one")
        _check_names(document, system, settings, posts, images)
        _check_parts(document, system, settings)
    _check_together(systems, settings)
    return {name: system for name, (system, _) in systems.items()}


def host_names(settings: Settings, systems: Mapping[str, System]) -> frozenset[str]:
    """Return the names directly below the city's domain that servers have; no unit's slug may be one of them."""
    return frozenset({*servers(settings), *(system.id for system in systems.values() if system.service)})


def _references(system: System) -> Iterator[tuple[str, str, str]]:
    """Name everything of the city that a system mentions: (what, value, path)."""
    yield "zone", system.zone, "$.zone"
    for i, role in enumerate(system.roles):
        yield from (("post", post, f"$.roles[{i}].posts[{j}]") for j, post in enumerate(role.posts))
    for i, mailbox in enumerate(system.mailboxes):
        yield from (("post", post, f"$.mailboxes[{i}].readers[{j}]") for j, post in enumerate(mailbox.readers))
    for i, flow in enumerate(system.flows):
        yield "segment", flow.segment, f"$.flows[{i}].segment"
        yield "kind of machine", flow.endpoint, f"$.flows[{i}].endpoint"
        if flow.host is not None:
            yield "server", flow.host, f"$.flows[{i}].host"
    yield from (("image", app.image, f"$.apps[{i}].image") for i, app in enumerate(system.apps))
    for i, endpoint in enumerate(system.endpoints):
        yield "segment", endpoint.segment, f"$.endpoints[{i}].segment"
        yield "kind of machine", endpoint.role, f"$.endpoints[{i}].role"
    for i, rule in enumerate(system.dns):
        for j, value in enumerate(rule.values):
            names = (match[1] or match[0] for match in _PLACEHOLDER.finditer(value))
            yield from (("placeholder", name, f"$.dns[{i}].values[{j}]") for name in names)


def _check_names(
    document: Document, system: System, settings: Settings, posts: Mapping[str, Post], images: Collection[str]
) -> None:
    names: dict[str, Collection[str]] = {
        "image": images,
        "kind of machine": settings.endpoint_roles,
        "placeholder": PLACEHOLDERS,
        "post": posts,
        "segment": [segment.kind for segment in settings.segments],
        "server": servers(settings),
        "zone": [zone.id for zone in settings.zones],
    }
    for what, value, path in _references(system):
        known(document, path, what, value, names[what])


def _check_parts(document: Document, system: System, settings: Settings) -> None:
    _check_service(document, system, settings)
    unique(document, "$.roles", "id", [role.id for role in system.roles])
    for index, role in enumerate(system.roles):
        unique(document, f"$.roles[{index}].posts", "post", role.posts)
        if (system.service or system.apps) and role.probe is None:
            message = f"role {role.id!r} of a system with a service or apps needs a probe number"
            raise document.error(f"$.roles[{index}]", message, "0..99, used by no other role")
    flows = [f"{flow.segment}/{flow.endpoint}/{flow.protocol}-{flow.port}" for flow in system.flows]
    unique(document, "$.flows", "flow", flows)
    for index, flow in enumerate(system.flows):
        if flow.host is None and not (system.service or system.apps):
            raise document.error(f"$.flows[{index}]", "the flow has no host", "name one of the city's servers")
        _check_flow(document, f"$.flows[{index}]", flow, _target(system, flow, settings), settings)
    for index, endpoint in enumerate(system.endpoints):
        _check_endpoint(document, f"$.endpoints[{index}]", endpoint, settings)
    for index, certificate in enumerate(system.certificates):
        if bool(certificate.usages) != (certificate.purpose != "seal"):
            raise document.error(f"$.certificates[{index}]", "a seal has no usages, any other certificate has some")
    check_apps(document, system, settings)


def _target(system: System, flow: FlowRule, settings: Settings) -> Zone:
    """Return the zone where a flow ends."""
    if flow.host is not None:
        return next(zone for zone in settings.zones for machine in zone.named if flow.host in machine.names)
    return next(zone for zone in settings.zones if zone.id == system.zone)


def _check_flow(document: Document, path: str, flow: FlowRule, zone: Zone, settings: Settings) -> None:
    if not (zone.services or zone.machine):
        raise document.error(path, f"nothing stands in zone {zone.id!r} where the flow ends", "city.yaml names it")
    segment = next(segment for segment in settings.segments if segment.kind == flow.segment)
    if zone.id not in segment.zones:
        message = f"machines of segment {segment.kind!r} must not reach zone {zone.id!r}"
        allowed = ", ".join(segment.zones) or "none"
        raise document.error(f"{path}.segment", message, f"city.yaml lets them reach: {allowed}")
    if not any((hosts.segment, hosts.role) == (flow.segment, flow.endpoint) for hosts in settings.hosts):
        message = f"a machine of kind {flow.endpoint!r} has no addresses in segment {flow.segment!r}"
        raise document.error(f"{path}.endpoint", message, "`hosts` in city.yaml gives it some")


def _check_endpoint(document: Document, path: str, endpoint: EndpointRule, settings: Settings) -> None:
    ranges = [h.main for h in settings.hosts if (h.segment, h.role) == (endpoint.segment, endpoint.role)]
    if not any(first <= endpoint.host <= last for first, last in ranges):
        message = f"{endpoint.host} isn't a number of a {endpoint.role} in segment {endpoint.segment!r}"
        raise document.error(f"{path}.host", message, "`hosts` in city.yaml says which are")


def _check_service(document: Document, system: System, settings: Settings) -> None:
    if system.service is None:
        return
    zone = next(zone for zone in settings.zones if zone.id == system.zone)
    if not (zone.services or zone.machine):
        raise document.error("$.service", f"zone {zone.id!r} has no machine for a service", "city.yaml names it")
    if system.service.server == "stand-in" and system.id in servers(settings):
        raise document.error("$.id", f"{system.id!r} is the name of a server of the city", "choose another id")


def _claims(system: System) -> Iterator[tuple[str, str, str]]:
    """Return what only one system may have: (what, value, path)."""
    for index, role in enumerate(system.roles):
        yield "group", f"{system.id}-{role.id}", f"$.roles[{index}].id"
        if role.probe is not None:
            yield "probe number", str(role.probe), f"$.roles[{index}].probe"
    for index, certificate in enumerate(system.certificates):
        yield "certificate", certificate.id, f"$.certificates[{index}].id"
        yield "host name", certificate.host or certificate.id, f"$.certificates[{index}].host"
    for index, mailbox in enumerate(system.mailboxes):
        yield "mail address", mailbox.local, f"$.mailboxes[{index}].local"
    for index, alias in enumerate(system.aliases):
        yield "mail address", alias.local, f"$.aliases[{index}].local"
    for index, app in enumerate(system.apps):
        yield "app", app.id, f"$.apps[{index}].id"
        yield "certificate", app.id, f"$.apps[{index}].id"
        yield "host name", app.host, f"$.apps[{index}].host"
        yield from (("record set", f"{app.host} {kind}", f"$.apps[{index}].host") for kind in ("A", "AAAA", "CNAME"))
    for index, endpoint in enumerate(system.endpoints):
        yield "machine", endpoint.id, f"$.endpoints[{index}].id"
        yield "address", f"{endpoint.segment} {endpoint.host}", f"$.endpoints[{index}].host"
    for index, rule in enumerate(system.dns):
        yield "record set", f"{rule.name} {rule.type}", f"$.dns[{index}].name"
    if system.service:
        yield "port in zone", f"{system.zone} {system.service.port}", "$.service.port"


def _check_together(systems: Mapping[str, tuple[System, Document]], settings: Settings) -> None:
    claimed: dict[tuple[str, str], str] = {}
    for name, (system, document) in systems.items():
        for what, value, path in _claims(system):
            if other := claimed.get((what, value)):
                hint = _free_probe(systems) if what == "probe number" else "choose another"
                raise document.error(path, f"{what} {value!r} is already that of system {other!r}", hint)
            claimed[what, value] = name
    mailboxes = [box.local for system, _ in systems.values() for box in system.mailboxes]
    for system, document in systems.values():
        for index, alias in enumerate(system.aliases):
            known(document, f"$.aliases[{index}].target", "functional mailbox", alias.target, mailboxes)
    with_mailbox = [name for name, (system, _) in systems.items() if any(r.mailbox_quota_mb for r in system.roles)]
    if len(with_mailbox) > 1:
        raise systems[with_mailbox[1]][1].error("$.roles", f"mailboxes of people are {with_mailbox[0]!r}'s already")
    _check_gateway(systems, settings)


def _free_probe(systems: Mapping[str, tuple[System, Document]]) -> str:
    taken = {role.probe for system, _ in systems.values() for role in system.roles}
    return f"the next free one is {next((n for n in range(100) if n not in taken), 'none')}"


def _check_gateway(systems: Mapping[str, tuple[System, Document]], settings: Settings) -> None:
    """Refuse anything but one gateway per unit: the unit's keys are made there."""
    gateways = [e for system, _ in systems.values() for e in system.endpoints if e.role == "gateway"]
    if len(gateways) != 1:
        message = f"the catalogue of {settings.id} gives a unit {len(gateways)} gateways instead of one"
        raise DataError(message, hint="exactly one system has an endpoint of role gateway")
