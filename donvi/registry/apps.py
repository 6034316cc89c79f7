"""What a system's app in the cluster must agree on with the rest of its entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from donvi.registry.documents import Document
    from donvi.registry.model import AppRule, Settings, System

GATEWAY_PORT = 443
"""Where the cluster's gateway takes connections for every app."""


def check_apps(document: Document, system: System, settings: Settings) -> None:
    """Refuse an app that could never run or be reached.

    :raises DataError: at the value that is wrong.
    """
    if len(system.apps) > 1:
        message = f"system {system.id!r} has a second app, and its flows could end at either"
        raise document.error("$.apps[1]", message, "give the second app a system of its own")
    zone = next(zone for zone in settings.zones if zone.id == system.zone)
    if system.apps and zone.cluster is None:
        message = f"zone {zone.id!r} has no cluster for the app of system {system.id!r}"
        raise document.error("$.apps", message, "give the zone a `cluster` in city.yaml, or choose a zone that has one")
    if system.apps and system.service:
        message = f"system {system.id!r} has both an app of each unit and a service of the city"
        raise document.error("$.apps", message, "give one of them a system of its own")
    for index, app in enumerate(system.apps):
        _check_app(document, f"$.apps[{index}]", app)
    for index, flow in enumerate(system.flows):
        if system.apps and flow.host is None and (flow.protocol, flow.port) != ("tcp", GATEWAY_PORT):
            message = f"an app can't be reached at {flow.protocol} {flow.port}"
            raise document.error(f"$.flows[{index}].port", message, f"the gateway listens at tcp {GATEWAY_PORT}")
    for index, role in enumerate(system.roles):
        if role.cluster and not system.apps:
            message = f"role {role.id!r} has rights in a namespace, but the system has no app in the cluster"
            raise document.error(f"$.roles[{index}].cluster", message, "remove `cluster`")


def _check_app(document: Document, path: str, app: AppRule) -> None:
    for field in ("cpu", "memory"):
        promised, most = getattr(app, field)
        if promised > most:
            message = f"a pod is promised {promised} and may have {most} at most"
            raise document.error(f"{path}.{field}", message, "write the smaller number first")
    if app.pods <= app.replicas:
        message = f"with {app.pods} pods at once none of the {app.replicas} replicas can be replaced"
        raise document.error(f"{path}.pods", message, f"at least {app.replicas + 1}")
    if app.ports.tls == app.ports.probe:
        raise document.error(f"{path}.ports", f"TLS and probes can't share port {app.ports.tls}", "give each its own")
    if app.page == app.certificate.path:
        message = f"the page and the certificate can't share the folder {app.page}"
        raise document.error(f"{path}.page", message, "give each its own")
