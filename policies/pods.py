"""Where pods are described: the pod part of every kind of workload, and its containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from policies.values import UNKNOWN, Item, expect, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from policies.model import Outcome, Resource

_TEMPLATE: Final = "spec.template.spec"
POD_AT: Final[Mapping[str, str]] = {
    "Pod": "spec",
    "PodTemplate": "template.spec",
    "CronJob": "spec.jobTemplate.spec.template.spec",
    **dict.fromkeys(
        ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"), _TEMPLATE
    ),
}
"""Property path of the pod's description by kind."""

WORKLOADS: Final = tuple(f"kubernetes:*:{kind}" for kind in sorted(POD_AT))
"""Type tokens of everything that makes pods; the group and version don't matter."""

CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")


def pods(resource: Resource) -> Iterator[Item]:
    """Yield the resource's pod description: one, or none where it is missing."""
    for item in walk(resource.inputs, POD_AT[resource.kind]):
        if item.value is not None:
            yield item


def containers(resource: Resource) -> Iterator[Item]:
    """Yield every container, those that start first and those for debugging included; unknown ones too."""
    for path, pod in pods(resource):
        if pod is UNKNOWN:
            yield Item(path, pod)
            continue
        for name in CONTAINERS:
            yield from walk(pod, f"{name}[*]", path)


def in_containers(resource: Resource, pattern: str, test: Callable[[Any], bool], expected: str) -> Iterator[Outcome]:
    """Yield a finding at every place that a pattern names in a container and whose value fails a test."""
    for path, container in containers(resource):
        yield from expect(container, pattern, test, expected, path=path)
