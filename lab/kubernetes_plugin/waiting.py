"""Waits: until an object is ready, until it is gone; with a deadline, and with the reason when it passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from donvi.errors import BackendError
from lab.kubernetes_plugin import readiness, reasons
from lab.kubernetes_plugin.errors import NotReadyError
from lab.kubernetes_plugin.kinds import Kind
from lab.kubernetes_plugin.readiness import Wait
from lab.kubernetes_plugin.values import annotation, identifier, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lab.kubernetes_plugin.api import Api
    from lab.kubernetes_plugin.deadline import Deadline

    Tell = Callable[[str], None]

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job"})
WATCH_SECONDS = 1
"""One watch lasts so long: the run can be cancelled, and reasons are looked for, between two of them."""
REASONS_SECONDS = 2.0
SERVICE = Kind("", "v1", "Service")
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"


def ready(
    api: Api, kind: Kind, inputs: Mapping[str, Any], live: dict[str, Any], *, deadline: Deadline, tell: Tell
) -> dict[str, Any]:
    """Wait until an object is ready and return it as it then is.

    :param inputs: whose annotations say what to wait for.
    :param tell: shows what is waited for.
    :raises NotReadyError: the deadline passed, or waiting is hopeless; says why.
    """
    rule = readiness.rule(kind, inputs)
    if (kind.group, kind.name) == ("", "Service") and _needs_endpoints(inputs, live):
        return _endpoints(api, live, deadline, tell)
    if rule is None:
        return live
    known: list[str] = []
    asked = deadline.left
    for seen in _versions(api, kind, live, deadline):
        if seen is None:
            raise NotReadyError(live, [f"{kind.name} {identifier(live)} was deleted while it was awaited"])
        live = seen
        wait = rule(live)
        if wait is None:
            return live
        if wait.hopeless:
            break
        if asked - deadline.left >= REASONS_SECONDS:
            known, asked = _why(api, kind, live, deadline), deadline.left
        tell("; ".join([wait.reason, *known[:1]]))
    wait = rule(live) or Wait("")
    known = _why(api, kind, live, deadline) or known
    raise NotReadyError(live, _summary(kind, live, wait, known, deadline))


def problems(api: Api, kind: Kind, inputs: Mapping[str, Any], live: Mapping[str, Any], deadline: Deadline) -> list[str]:
    """Return why an object isn't ready at this moment; empty if it is."""
    if "deletionTimestamp" in live["metadata"]:
        return [f"{kind.name} {identifier(live)} is being deleted: {held_by(live)}"]
    rule = readiness.rule(kind, inputs)
    wait = rule(live) if rule else None
    if wait is None:
        return []
    return [f"{kind.name} {identifier(live)} isn't ready: {wait.reason}", *_why(api, kind, live, deadline)]


def gone(api: Api, kind: Kind, live: Mapping[str, Any], deadline: Deadline, tell: Tell) -> None:
    """Wait until an object is gone, or is another one of that name.

    :raises BackendError: the deadline passed; says what holds it.
    """
    uid, last = live["metadata"].get("uid"), dict(live)
    for seen in _versions(api, kind, last, deadline):
        if seen is None or (uid and seen["metadata"].get("uid") != uid):
            return
        last = seen
        tell(f"being deleted; {held_by(last)}")
    seconds = f"{deadline.seconds:.0f}"
    raise BackendError(
        f"{kind.name} {identifier(live)} is still being deleted after {seconds} s: {held_by(last)}",
        hint="Have what holds it finish or remove the finalizer, then run this again",
    )


def held_by(live: Mapping[str, Any]) -> str:
    """Return what keeps an object from going: its namespace's conditions, its finalizers."""
    names = ("NamespaceDeletion", "NamespaceContent", "NamespaceFinalizers")
    given = [item for name, item in reasons.conditions(live).items() if name.startswith(names)]
    found = [str(item["message"]) for item in given if item.get("status") == "True" and item.get("message")]
    finalizers = live["metadata"].get("finalizers") or (live.get("spec") or {}).get("finalizers") or []
    if finalizers:
        found.append(f"finalizers: {', '.join(finalizers)}")
    return "; ".join(found) or "nothing says what holds it"


def _versions(api: Api, kind: Kind, live: Mapping[str, Any], deadline: Deadline) -> Iterator[dict[str, Any] | None]:
    """Yield an object as it is and whenever it changes, at least once a second, until the deadline."""
    namespace, name = text_of(live, "namespace"), text_of(live, "name")
    collection = api.rest(kind).collection(namespace)
    while True:
        seen = api.find(kind, namespace, name, deadline)
        yield seen
        if deadline.over or seen is None:
            return
        query = {"fieldSelector": f"metadata.name={name}", "resourceVersion": seen["metadata"]["resourceVersion"]}
        for event in api.client.watch(collection, query, WATCH_SECONDS):
            if event.get("type") in {"ADDED", "MODIFIED"}:
                yield event["object"]
            elif event.get("type") == "DELETED":
                yield None
        deadline.check()


def _why(api: Api, kind: Kind, live: Mapping[str, Any], deadline: Deadline) -> list[str]:
    if kind.name in WORKLOADS:
        return reasons.of_workload(api, live, api.deadline(max(deadline.left, REASONS_SECONDS)))
    if (kind.group, kind.name) == ("", "Pod"):
        return reasons.of_events(api, live, api.deadline(max(deadline.left, REASONS_SECONDS)))
    return []


def _summary(kind: Kind, live: Mapping[str, Any], wait: Wait, known: list[str], deadline: Deadline) -> list[str]:
    waited = "and won't become so" if wait.hopeless else f"after {deadline.seconds:.0f} s"
    first = f"{kind.name} {identifier(live)} isn't ready {waited}: {'; '.join([wait.reason, *known])}"
    return [first]


def _needs_endpoints(inputs: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Say whether traffic to a service needs pods: not without selector, not by name, not headless."""
    spec = live.get("spec") or {}
    skipped = annotation(inputs, "skipAwait") == "true"
    return (
        not skipped
        and bool(spec.get("selector"))
        and spec.get("type") != "ExternalName"
        and spec.get("clusterIP") != "None"
    )


def _endpoints(api: Api, live: dict[str, Any], deadline: Deadline, tell: Tell) -> dict[str, Any]:
    namespace, name = text_of(live, "namespace"), text_of(live, "name")
    path, pause = SLICES.format(namespace=namespace), 0.1
    while True:
        slices = api.items(path, deadline, labelSelector=f"kubernetes.io/service-name={name}")
        ends = [end for item in slices for end in item.get("endpoints") or []]
        if any((end.get("conditions") or {}).get("ready") for end in ends):
            return api.find(SERVICE, namespace, name, deadline) or live
        if deadline.over:
            what = f"Service {identifier(live)} isn't ready after {deadline.seconds:.0f} s: no pod behind it is ready"
            raise NotReadyError(live, [what])
        tell("no pod behind it is ready")
        deadline.sleep(pause)
        pause = min(pause * 1.5, 1.0)
