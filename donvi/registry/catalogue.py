"""The catalogue: one file per system, and what the files must agree on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from donvi.errors import DataError
from donvi.registry.documents import Document, read_document
from donvi.registry.files import shown
from donvi.registry.lookup import closest
from donvi.registry.model import Post, Settings, System
from donvi.registry.settings import unique

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

PLACEHOLDERS = ("city_domain", "gateway4", "gateway6", "unit_domain")
"""What a record's value may name in braces."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}|[{}]")


def read_systems(folder: Path, settings: Settings, posts: Mapping[str, Post]) -> dict[str, System]:
    """The systems by id.

    :raises DataError: an unknown post, zone, segment, kind of machine or host; something that two systems both claim.
    """
    read = [(path.stem, read_document(path)) for path in sorted(folder.glob("*.yaml"))]
    if not read:
        raise DataError("holds no system", file=shown(folder), hint="DONVI_CITY must name a complete city folder")
    systems = {name: (document.parse(System), document) for name, document in read}
    for name, (system, document) in systems.items():
        if system.id != name:
            raise document.error("$.id", f"the file is named {name}.yaml, the system {system.id!r}", "rename one")
        _check_names(document, system, settings, posts)
        _check_parts(document, system, settings)
    _check_together(systems, settings)
    return {name: system for name, (system, _) in systems.items()}


def host_names(settings: Settings, systems: Mapping[str, System]) -> frozenset[str]:
    """The names directly below the city's domain that servers have; no unit's slug may be one of them."""
    servers = {name for zone in settings.zones if zone.machine for name in zone.machine.names}
    return frozenset(servers | {system.id for system in systems.values() if system.service})


def known(document: Document, path: str, what: str, name: str, names: Collection[str]) -> None:
    """Refuse a name that isn't among those known.

    :raises DataError: with the nearest known name.
    """
    if name not in names:
        near = closest(name, names)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(names))}"
        raise document.error(path, f"there is no {what} {name!r}", hint)


def _check_names(document: Document, system: System, settings: Settings, posts: Mapping[str, Post]) -> None:
    known(document, "$.zone", "zone", system.zone, [zone.id for zone in settings.zones])
    segments = [segment.kind for segment in settings.segments]
    for path, what, name, names in [
        *((f"$.roles[{i}].posts[{j}]", "post", p, posts) for i, r in enumerate(system.roles) for j, p in enumerate(r.posts)),
        *(
            (f"$.mailboxes[{i}].readers[{j}]", "post", p, posts)
            for i, m in enumerate(system.mailboxes)
            for j, p in enumerate(m.readers)
        ),
        *((f"$.flows[{i}].segment", "segment", flow.segment, segments) for i, flow in enumerate(system.flows)),
        *((f"$.endpoints[{i}].segment", "segment", e.segment, segments) for i, e in enumerate(system.endpoints)),
        *(
            (f"$.flows[{i}].endpoint", "kind of machine", flow.endpoint, settings.endpoint_roles)
            for i, flow in enumerate(system.flows)
        ),
        *(
            (f"$.endpoints[{i}].role", "kind of machine", endpoint.role, settings.endpoint_roles)
            for i, endpoint in enumerate(system.endpoints)
        ),
    ]:
        known(document, path, what, name, names)


def _check_parts(document: Document, system: System, settings: Settings) -> None:
    zone = next(zone for zone in settings.zones if zone.id == system.zone)
    servers = [name for zone in settings.zones if zone.machine for name in zone.machine.names]
    if system.service and zone.machine is None:
        raise document.error("$.service", f"zone {zone.id!r} has no machine for a service", "city.yaml names it")
    if system.service and system.service.server == "stand-in" and system.id in servers:
        raise document.error("$.id", f"{system.id!r} is the name of a server of the city")
    unique(document, "$.roles", "id", [role.id for role in system.roles])
    for index, role in enumerate(system.roles):
        unique(document, f"$.roles[{index}].posts", "post", role.posts)
        if system.service and role.probe is None:
            raise document.error(f"$.roles[{index}]", f"role {role.id!r} needs a probe number", "0..99, unused elsewhere")
    flows = [f"{flow.segment}/{flow.endpoint}/{flow.protocol}-{flow.port}" for flow in system.flows]
    unique(document, "$.flows", "flow", flows)
    for index, flow in enumerate(system.flows):
        if flow.host is not None:
            known(document, f"$.flows[{index}].host", "server", flow.host, servers)
        elif not (system.service or system.apps):
            raise document.error(f"$.flows[{index}]", "the flow has no host", "name one of the city's servers")
    for index, certificate in enumerate(system.certificates):
        if bool(certificate.usages) != (certificate.purpose != "seal"):
            raise document.error(f"$.certificates[{index}]", "client or server is for all but a seal")
    for index, rule in enumerate(system.dns):
        _check_placeholders(document, f"$.dns[{index}].values", rule.values)


def _check_placeholders(document: Document, path: str, values: tuple[str, ...]) -> None:
    for number, value in enumerate(values):
        for match in _PLACEHOLDER.finditer(value):
            known(document, f"{path}[{number}]", "placeholder", match[1] or match[0], PLACEHOLDERS)


def _claims(system: System) -> Iterator[tuple[str, str, str]]:
    """What only one system may have: (what, value, path)."""
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
        yield "host name", app.host, f"$.apps[{index}].host"
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
                raise document.error(path, f"{what} {value!r} is already that of system {other!r}", _free(what, claimed))
            claimed[what, value] = name
    mailboxes = [box.local for system, _ in systems.values() for box in system.mailboxes]
    for system, document in systems.values():
        for index, alias in enumerate(system.aliases):
            known(document, f"$.aliases[{index}].target", "functional mailbox", alias.target, mailboxes)
    with_mailbox = [name for name, (system, _) in systems.items() if any(r.mailbox_quota_mb for r in system.roles)]
    if len(with_mailbox) > 1:
        raise systems[with_mailbox[1]][1].error("$.roles", f"mailboxes of people are {with_mailbox[0]!r}'s already")
    _check_gateway(systems, settings)


def _free(what: str, claimed: Collection[tuple[str, str]]) -> str:
    """The hint of a doubled probe number: the next free one."""
    if what != "probe number":
        return ""
    taken = {value for kind, value in claimed if kind == what}
    return f"the next free one is {next(n for n in range(100) if str(n) not in taken)}"


def _check_gateway(systems: Mapping[str, tuple[System, Document]], settings: Settings) -> None:
    """A unit's keys are made on its gateway, so there must be exactly one."""
    gateways = [e for system, _ in systems.values() for e in system.endpoints if e.role == "gateway"]
    if len(gateways) != 1:
        message = f"the catalogue of {settings.id} gives a unit {len(gateways)} gateways instead of one"
        raise DataError(message, hint="exactly one system has an endpoint of role gateway")
