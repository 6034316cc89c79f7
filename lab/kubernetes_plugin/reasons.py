"""Why a workload doesn't become ready: from its conditions, its pods and their events, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lab.kubernetes_plugin.api import Api
    from lab.kubernetes_plugin.deadline import Deadline

SHOWN = 3
"""Pods of one workload fail for the same reason; a few say it."""
PLAIN_WAITS = frozenset({"ContainerCreating", "PodInitializing"})


def conditions(live: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return an object's conditions by type."""
    return {item.get("type", ""): item for item in (live.get("status") or {}).get("conditions") or []}


def said(condition: Mapping[str, Any]) -> str:
    """Return a condition in words."""
    reason, message = condition.get("reason", ""), condition.get("message", "")
    return f"{reason}: {message}" if reason and message else str(message or reason or condition.get("type", ""))


def of_workload(api: Api, live: Mapping[str, Any], deadline: Deadline) -> list[str]:
    """Return why a workload's pods aren't all ready; empty if nothing speaks."""
    metadata = live["metadata"]
    root = f"/namespaces/{metadata['namespace']}"
    selector = _selector(live)
    found = list(_own(live))
    if live.get("kind") == "Deployment":
        sets = api.items(f"/apis/apps/v1{root}/replicasets", deadline, labelSelector=selector)
        newest = [item for item in sets if _newest(item, live)]
        found += [text for item in newest for text in _own(item)]
        owners = {str(item["metadata"]["uid"]) for item in newest}
    else:
        owners = {str(metadata.get("uid"))}
    pods = api.items(f"/api/v1{root}/pods", deadline, labelSelector=selector)
    troubled = [(pod, why) for pod in pods if _owned(pod, owners) and (why := of_pod(pod))]
    for pod, why in troubled[:SHOWN]:
        name = pod["metadata"]["name"]
        events = [] if why[1] else of_events(api, pod, deadline)
        found.append(f"pod {name}: {'; '.join([why[0], *events])}")
    return list(dict.fromkeys(found))


def of_pod(pod: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Return why a pod isn't ready and whether that says it all; ``None`` if it is ready."""
    status = pod.get("status") or {}
    given = conditions(pod)
    if status.get("phase") == "Succeeded" or given.get("Ready", {}).get("status") == "True":
        return None
    if given.get("PodScheduled", {}).get("status") == "False":
        return said(given["PodScheduled"]), True
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        if why := _of_container(container):
            return why
    ready = given.get("Ready", {})
    return (str(status.get("message") or ready.get("message") or f"phase {status.get('phase', 'unknown')}"), False)


def of_events(api: Api, item: Mapping[str, Any], deadline: Deadline) -> list[str]:
    """Return the latest warnings about an object."""
    metadata = item["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/events"
    selector = f"involvedObject.uid={metadata.get('uid', '')},type=Warning"
    events = api.items(path, deadline, fieldSelector=selector)
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return [said(event) for event in events[-2:]]


def _own(live: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a controller says about the workload itself: quota exceeded, admission refused, no progress."""
    given = conditions(live)
    if given.get("ReplicaFailure", {}).get("status") == "True":
        yield said(given["ReplicaFailure"])
    if given.get("Progressing", {}).get("status") == "False":
        yield said(given["Progressing"])


def _of_container(container: Mapping[str, Any]) -> tuple[str, bool] | None:
    state = container.get("state") or {}
    name = container.get("name", "")
    if waiting := state.get("waiting"):
        if waiting.get("reason") in PLAIN_WAITS:
            return None
        last = (container.get("lastState") or {}).get("terminated") or {}
        code = f"; it ended with code {last['exitCode']}" if "exitCode" in last else ""
        return f"container {name}: {said(waiting)}{code}", True
    if ended := state.get("terminated"):
        if ended.get("exitCode") == 0:
            return None
        return f"container {name} ended with code {ended.get('exitCode')} ({said(ended)})", True
    if state.get("running") and not container.get("ready"):
        return f"container {name} runs but isn't ready", False
    return None


def _newest(replica_set: Mapping[str, Any], deployment: Mapping[str, Any]) -> bool:
    revision = "deployment.kubernetes.io/revision"
    notes, own = replica_set["metadata"].get("annotations") or {}, deployment["metadata"].get("annotations") or {}
    current = own.get(revision) is None or notes.get(revision) == own.get(revision)
    return current and _owned(replica_set, {deployment["metadata"].get("uid")})


def _owned(item: Mapping[str, Any], owners: Iterable[Any]) -> bool:
    return any(owner.get("uid") in owners for owner in item["metadata"].get("ownerReferences") or [])


def _selector(live: Mapping[str, Any]) -> str:
    labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in labels.items())
