"""Names of what the Kubernetes API holds: kinds, their paths, owner marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIT_LABEL = "donvi/unit"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "donvi"
KEY_ANNOTATION = "donvi/key"


class Kind(NamedTuple):
    """A kind of object: ``v1``/``Secret`` is served under the plural ``secrets``."""

    api_version: str
    name: str
    plural: str

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the path of an object, of a namespace's objects, or of all objects of the kind."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        parts = ["namespaces", namespace] if namespace else []
        parts += [self.plural, *([name] if name else [])]
        return "/".join([root, *(quote(part, safe="") for part in parts)])


SECRET = Kind("v1", "Secret", "secrets")
NAMESPACE = Kind("v1", "Namespace", "namespaces")


class Owner(NamedTuple):
    """Whose an object is: the unit's code and the logical id inside the unit."""

    unit: str
    key: str


def owner_of(found: Mapping[str, Any]) -> Owner | None:
    """Return whose an object is, or ``None`` if it carries no mark of donvi's."""
    metadata = found.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if labels.get(MANAGED_BY_LABEL) != MANAGER or UNIT_LABEL not in labels:
        return None
    return Owner(str(labels[UNIT_LABEL]), str(annotations.get(KEY_ANNOTATION, "")))


def managers_of(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Return who wrote fields of an object, donvi left out; sorted."""
    fields = (found.get("metadata") or {}).get("managedFields") or []
    return tuple(sorted({str(entry.get("manager", "")) for entry in fields} - {MANAGER, ""}))
