"""Sends packets between pods on the cluster's machine: who gets to a unit's site past the gateway, and who doesn't.

They are sent inside the network namespaces of pods that run anyway, so that a verification starts none. That the
gateway gets there is the control: a site that nobody reaches proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from donvi.verify.ask.api import core
from donvi.verify.ask.batch import run_batch
from donvi.verify.ask.cluster import NAME_LABEL, UNIT_LABEL, verifier
from donvi.verify.ask.machines import connect
from donvi.verify.ask.network import CONNECT_SECONDS

if TYPE_CHECKING:
    from donvi.tenancy.app_model import App
    from donvi.verify.ask.api import ClusterApi
    from donvi.verify.ask.context import Context

OTHERS = ("kube-system",)
TRIED = 2  # pods of other units


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What became of connections to one pod of an app, from inside other pods."""

    gateway: dict[str, str]  # state by pod of the gateway
    strangers: dict[str, str]  # state by pod that has nothing to do with the app, as namespace/name


def ask_reach(context: Context) -> dict[str, Reach]:
    """Return who reaches a pod of each app, by app; an app without a ready pod is absent.

    :raises InconclusiveError: the cluster or its machine doesn't answer.
    """
    tenancy = context.tenancy
    cluster = next((zone.cluster for zone in context.city.settings.zones if zone.cluster), None)
    if not tenancy.apps or cluster is None:
        return {}
    api = verifier(context)
    try:
        targets = {app.id: _address(api, app) for app in tenancy.apps}
        askers = {app.id: _askers(api, context, app) for app in tenancy.apps}
    finally:
        api.close()
    asked: dict[str, dict[str, Any]] = {}
    for app in tenancy.apps:
        for name, source in askers[app.id].items() if targets[app.id] else ():
            link = {"source": source, "address": targets[app.id], "port": app.container.port}
            asked[f"{app.id} {name}"] = {"kind": "inside", "seconds": CONNECT_SECONDS, **link}
    answers = run_batch(connect(context, cluster.name), asked)
    return {app.id: _reach(app, answers) for app in tenancy.apps if targets[app.id]}


def _reach(app: App, answers: dict[str, dict[str, Any]]) -> Reach:
    own = {name.split(" ", 1)[1]: answer for name, answer in answers.items() if name.split(" ", 1)[0] == app.id}
    states = {name: str(answer.get("state") or answer.get("detail")) for name, answer in own.items()}
    gateway = f"{app.route.gateway_namespace}/"
    return Reach(
        gateway={name: state for name, state in states.items() if name.startswith(gateway)},
        strangers={name: state for name, state in states.items() if not name.startswith(gateway)},
    )


def _address(api: ClusterApi, app: App) -> str:
    found = _running(api.seen(core(app.namespace, "pods") + f"?labelSelector={NAME_LABEL}%3D{app.id}"))
    return next(iter(found.values()), "")


def _askers(api: ClusterApi, context: Context, app: App) -> dict[str, str]:
    """Return addresses by pod: the gateway's that the app lets in, the cluster's own, and some of other units."""
    envoys = core(app.route.gateway_namespace, "pods") + f"?labelSelector={NAME_LABEL}%3Denvoy"
    found = _running(api.seen(envoys))
    for space in OTHERS:
        found |= dict(list(_running(api.seen(core(space, "pods"))).items())[:1])
    everywhere = api.seen(f"/api/v1/pods?labelSelector={UNIT_LABEL.replace('/', '%2F')}")
    foreign = [pod for pod in everywhere if pod["metadata"]["labels"][UNIT_LABEL] != context.tenancy.unit.code]
    return found | dict(list(_running(tuple(foreign)).items())[:TRIED])


def _running(pods: tuple[dict[str, Any], ...]) -> dict[str, str]:
    """Return the addresses of running pods that have a network of their own, by namespace/name."""
    return {
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": pod["status"]["podIP"]
        for pod in pods
        if pod.get("status", {}).get("phase") == "Running"
        and pod["status"].get("podIP")
        and not pod["spec"].get("hostNetwork")
    }
