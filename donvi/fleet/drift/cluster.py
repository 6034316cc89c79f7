"""Kubernetes objects: proven unchanged by the lists, or judged one by one by the plugin.

A plugin's read is a function of the inputs and of the live object. An object that is, but for its status, exactly what
was recorded when it was last applied or refreshed reads as it was declared then, so there is nothing to ask. Whatever
differs in any other way, down to who owns a field, goes to the plugin: here is no rule of what counts as drift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from donvi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from donvi.backends.kubernetes.lists import Lists
    from donvi.fleet.drift.state import Resource

PACKAGE = "kubernetes"
INPUTS = "__inputs"
_PER_WRITE = frozenset({"resourceVersion"})


def is_object(kind: str) -> bool:
    """Say whether a type token names an object of the API (no chart, no patch of somebody else's object)."""
    package, _, rest = kind.partition(":")
    group = rest.partition("/")[0]
    return package == PACKAGE and "/" in rest and group not in {"helm.sh", "kustomize", "yaml"} and kind[-5:] != "Patch"


def api_kind(kind: str) -> tuple[str, str]:
    """Return API version and kind of a type token: ``apps/v1`` and ``Deployment``.

    :raises UsageError: it names no object.
    """
    if not is_object(kind):
        raise UsageError(f"{kind} is no object of the cluster", hint="only a refresh judges it")
    _, version, name = kind.split(":")
    return version.removeprefix("core/"), name


def kinds(resources: Iterable[Resource]) -> set[tuple[str, str]]:
    """Return the API kinds that resources are of."""
    return {api_kind(resource.type) for resource in resources if is_object(resource.type)}


def unchanged(resource: Resource, lists: Lists) -> bool:
    """Say whether a list proves that the live object is the recorded one."""
    if not is_object(resource.type) or resource.hidden or resource.outputs.get(INPUTS) != resource.inputs:
        return False
    namespace, _, name = resource.id.rpartition("/")
    live = lists.get(*api_kind(resource.type), namespace, name)
    return live is not None and essence(live) == essence(resource.outputs)


def essence(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without its status, and without what every write to the status changes."""
    metadata = found.get("metadata") or {}
    kept = {name: value for name, value in metadata.items() if name not in _PER_WRITE}
    kept["managedFields"] = [
        entry for entry in metadata.get("managedFields") or () if entry.get("subresource") != "status"
    ]
    return {
        **{name: value for name, value in found.items() if name != "status" and not name.startswith("__")},
        "metadata": kept,
    }
