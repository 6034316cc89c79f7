"""When an object of a kind is ready: one small rule per kind, by the object alone. Pure.

A rule returns ``None`` when the object is ready, else what it waits for. Kinds without a rule are ready at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.kubernetes_plugin.paths import MISSING, at, parsed
from lab.kubernetes_plugin.reasons import conditions, of_pod, said
from lab.kubernetes_plugin.values import annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.kubernetes_plugin.kinds import Kind

    Rule = Callable[[Mapping[str, Any]], "Wait | None"]


@dataclass(frozen=True, slots=True)
class Wait:
    """What an object waits for.

    :param hopeless: waiting longer won't help.
    """

    reason: str
    hopeless: bool = False


def rule(kind: Kind, inputs: Mapping[str, Any]) -> Rule | None:
    """Return the rule for an object, by its kind or by its annotations."""
    if annotation(inputs, "skipAwait") == "true":
        return None
    if wish := annotation(inputs, "waitFor"):
        wishes = json.loads(wish) if wish.startswith("[") else [wish]
        return lambda live: next((wait for text in wishes if (wait := _wished(text, live))), None)
    return _RULES.get((kind.group, kind.name))


def namespace(live: Mapping[str, Any]) -> Wait | None:
    """Wait until it is active."""
    phase = _status(live).get("phase")
    return None if phase == "Active" else Wait(f"its phase is {phase or 'unknown'}")


def deployment(live: Mapping[str, Any]) -> Wait | None:
    """Wait until its controller has seen it and all replicas are new, ready and available."""
    if wait := _seen(live):
        return wait
    progress = conditions(live).get("Progressing", {})
    if progress.get("status") == "False" and progress.get("reason") == "ProgressDeadlineExceeded":
        return Wait(said(progress), hopeless=True)
    status, want = _status(live), live["spec"].get("replicas", 1)
    ready = min(int(status.get(name, 0)) for name in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    if ready < want:
        return Wait(f"{ready} of {want} replicas are ready")
    surplus = int(status.get("replicas", 0)) - want
    return Wait(f"{surplus} replicas too many are still there") if surplus > 0 else None


def stateful_set(live: Mapping[str, Any]) -> Wait | None:
    """Wait until all replicas are new and ready."""
    if wait := _seen(live):
        return wait
    status, want = _status(live), live["spec"].get("replicas", 1)
    ready = min(int(status.get(name, 0)) for name in ("updatedReplicas", "readyReplicas"))
    return None if ready >= want else Wait(f"{ready} of {want} replicas are ready")


def daemon_set(live: Mapping[str, Any]) -> Wait | None:
    """Wait until every node that should has a new, ready pod."""
    if wait := _seen(live):
        return wait
    status = _status(live)
    want = int(status.get("desiredNumberScheduled", 0))
    ready = min(int(status.get(name, 0)) for name in ("updatedNumberScheduled", "numberReady"))
    return None if ready >= want else Wait(f"{ready} of {want} pods are ready")


def job(live: Mapping[str, Any]) -> Wait | None:
    """Wait until it is complete; a failed one stays failed."""
    given = conditions(live)
    if given.get("Complete", {}).get("status") == "True":
        return None
    if given.get("Failed", {}).get("status") == "True":
        return Wait(said(given["Failed"]), hopeless=True)
    return Wait("it isn't complete")


def pod(live: Mapping[str, Any]) -> Wait | None:
    """Wait until it is ready, or has done its work."""
    if _status(live).get("phase") == "Failed":
        return Wait(str(_status(live).get("message") or "it failed"), hopeless=True)
    why = of_pod(live)
    return Wait(why[0]) if why else None


def route(live: Mapping[str, Any]) -> Wait | None:
    """Wait until every parent accepts the route and finds what it points to."""
    wanted = len((live.get("spec") or {}).get("parentRefs") or [])
    parents = _status(live).get("parents") or []
    if len(parents) < wanted:
        return Wait("no gateway has taken it yet")
    for parent in parents:
        name = (parent.get("parentRef") or {}).get("name", "")
        wait = _accepted(live, {"status": parent}, ("Accepted", "ResolvedRefs"))
        if wait:
            return Wait(f"gateway {name}: {wait.reason}")
    return None


def gateway(live: Mapping[str, Any]) -> Wait | None:
    """Wait until its controller accepts and programs it."""
    return _accepted(live, live, ("Accepted", "Programmed"))


def gateway_class(live: Mapping[str, Any]) -> Wait | None:
    """Wait until a controller accepts it."""
    return _accepted(live, live, ("Accepted",))


def definition(live: Mapping[str, Any]) -> Wait | None:
    """Wait until the new kind is served."""
    return _accepted(live, live, ("Established",))


def _status(live: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = live.get("status") or {}
    return found


def _seen(live: Mapping[str, Any]) -> Wait | None:
    seen, generation = _status(live).get("observedGeneration", 0), live["metadata"].get("generation", 0)
    return None if seen >= generation else Wait("its controller hasn't seen it yet")


def _accepted(live: Mapping[str, Any], holder: Mapping[str, Any], types: tuple[str, ...]) -> Wait | None:
    given, generation = conditions(holder), live["metadata"].get("generation", 0)
    for name in types:
        condition = given.get(name)
        if condition is None or condition.get("observedGeneration", generation) < generation:
            return Wait(f"not yet {name}")
        if condition.get("status") != "True":
            return Wait(said(condition))
    return None


def _wished(text: str, live: Mapping[str, Any]) -> Wait | None:
    """Judge ``condition=Type[=Status]`` or ``jsonpath={.path}[=value]``, as the annotation waitFor has them."""
    form, _, rest = text.partition("=")
    if form == "condition":
        name, _, status = rest.partition("=")
        found = conditions(live).get(name, {})
        met = str(found.get("status", "")).lower() == (status or "True").lower()
    else:
        path, _, value = rest.partition("=")
        found = at(dict(live), parsed(path.strip("{}").removeprefix("$").removeprefix(".")))
        met = found is not MISSING and (not value or str(found) == value)
    return None if met else Wait(f"{text} isn't met")


_RULES: dict[tuple[str, str], Rule] = {
    ("", "Namespace"): namespace,
    ("", "Pod"): pod,
    ("apps", "Deployment"): deployment,
    ("apps", "StatefulSet"): stateful_set,
    ("apps", "DaemonSet"): daemon_set,
    ("batch", "Job"): job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definition,
    ("gateway.networking.k8s.io", "Gateway"): gateway,
    ("gateway.networking.k8s.io", "GatewayClass"): gateway_class,
    ("gateway.networking.k8s.io", "GRPCRoute"): route,
    ("gateway.networking.k8s.io", "HTTPRoute"): route,
    ("gateway.networking.k8s.io", "TLSRoute"): route,
}
