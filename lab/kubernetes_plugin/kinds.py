"""Which REST path an object has: by its type's token, then by the API server's discovery, asked once per version."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from donvi.errors import UsageError
from lab.kubernetes_plugin.errors import NOT_FOUND, ApiError, UnknownKindError

if TYPE_CHECKING:
    from collections.abc import Callable

CORE = "core"
FOREIGN = frozenset({"helm.sh", "kustomize", "yaml"})
"""Modules of the SDK that aren't groups of the API."""
CLUSTER_WIDE = frozenset(
    {
        "APIService",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "CSIDriver",
        "CSINode",
        "CustomResourceDefinition",
        "FlowSchema",
        "GatewayClass",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)
"""Kinds of the API's own groups that have no namespace; all its other kinds have one. Saves asking for them."""

OWN_GROUPS = frozenset({"", "apps", "autoscaling", "batch", "gateway.networking.k8s.io", "policy"})
"""Groups of the API itself, besides everything below ``k8s.io``."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind in one version of its group."""

    group: str
    version: str
    name: str

    @property
    def api_version(self) -> str:
        """As objects carry it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """Path below which the version's resources are."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def __str__(self) -> str:
        return f"{self.api_version}/{self.name}"


def of_token(token: str) -> tuple[Kind, bool]:
    """Read a type's token, for example ``kubernetes:apps/v1:Deployment``; say whether it only patches such an object.

    :raises UsageError: it is no object of the API (Helm, Kustomize, YAML and lists aren't served here).
    """
    package, _, rest = token.partition(":")
    module, _, name = rest.partition(":")
    group, _, version = module.partition("/")
    served = package == "kubernetes" and bool(name) and bool(version) and group not in FOREIGN
    if not served or name.endswith("List"):
        raise UsageError(
            f"the lab's Kubernetes plugin doesn't serve {token}",
            hint="Declare the objects themselves, or install the official plugin",
        )
    return Kind("" if group == CORE else group, version, name.removesuffix("Patch")), name.endswith("Patch")


@dataclass(frozen=True, slots=True)
class Rest:
    """Where a kind's objects are."""

    kind: Kind
    plural: str
    namespaced: bool

    def collection(self, namespace: str = "") -> str:
        """Path of the objects of one namespace, or of all."""
        inside = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.kind.root}{inside}/{self.plural}"

    def object(self, namespace: str, name: str) -> str:
        """Path of one object."""
        return f"{self.collection(namespace)}/{name}"


@dataclass
class Discovery:
    """Asks the API server which resources a version has, and remembers it.

    :param get: fetches a path; raises ApiError.
    """

    get: Callable[[str], Any]
    _known: dict[str, dict[str, Rest]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, kind: Kind) -> Rest:
        """Return where the kind's objects are.

        :raises UnknownKindError: the server has no such kind.
        """
        with self._lock:
            known = self._known.get(kind.root, {}).get(kind.name)
        if known is None:
            known = self._ask(kind).get(kind.name)
        if known is None:
            raise UnknownKindError(
                f"the API server has no kind {kind}",
                hint="Its CustomResourceDefinition must be created first: add depends_on",
            )
        return known

    def namespaced(self, kind: Kind) -> bool:
        """Say whether the kind's objects live in namespaces; an unknown kind is taken to."""
        if kind.group in OWN_GROUPS or kind.group.endswith(".k8s.io"):
            return kind.name not in CLUSTER_WIDE
        try:
            return self.find(kind).namespaced
        except UnknownKindError:
            return True

    def forget(self) -> None:
        """Ask again from now on: a kind was added or removed."""
        with self._lock:
            self._known.clear()

    def _ask(self, kind: Kind) -> dict[str, Rest]:
        try:
            answer = self.get(kind.root)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return {}
            raise
        found = {
            item["kind"]: Rest(Kind(kind.group, kind.version, item["kind"]), item["name"], bool(item["namespaced"]))
            for item in answer.get("resources", [])
            if "/" not in item["name"]
        }
        with self._lock:
            self._known[kind.root] = found
        return found
