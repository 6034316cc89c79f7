"""Small resources that rules' examples are made of: right in every respect, unless a part is replaced."""

from __future__ import annotations

from typing import Any, Final

DIGEST: Final = "registry.tphcm.test/site@sha256:" + "1f" * 32
DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"
NAMESPACE: Final = "kubernetes:core/v1:Namespace"
NETWORK_POLICY: Final = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
SPACE: Final = "unit-26506-public"


def labels(unit: str = "26506") -> dict[str, str]:
    """Labels that every object of a unit carries."""
    return {"donvi/unit": unit, "donvi/zone": "public", "app.kubernetes.io/managed-by": "donvi"}


def metadata(name: str, unit: str = "26506", **more: Any) -> dict[str, Any]:
    """Metadata of an object in the unit's namespace."""
    return {"name": name, "namespace": f"unit-{unit}-public", "labels": labels(unit), **more}


def container(**more: Any) -> dict[str, Any]:
    """Return a container that every rule accepts; ``None`` removes a part."""
    whole = {
        "name": "site",
        "image": DIGEST,
        "resources": {
            "requests": {"cpu": "5m", "memory": "16Mi"},
            "limits": {"cpu": "100m", "memory": "64Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": 8080}},
        "livenessProbe": {"httpGet": {"path": "/-/live", "port": 8080}},
    }
    return {name: part for name, part in {**whole, **more}.items() if part is not None}


def pod(*boxes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a pod's description that every rule accepts."""
    whole = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": list(boxes) or [container()],
    }
    return {name: part for name, part in {**whole, **more}.items() if part is not None}


def deployment(spec: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a Deployment around a pod's description."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata("web-portal"),
        "spec": {"replicas": 2, "template": {"metadata": {"labels": labels()}, "spec": spec or pod()}},
    }


def namespace(**more: str) -> dict[str, Any]:
    """Return a unit's namespace; ``more`` are further labels."""
    enforced = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {"kind": "Namespace", "metadata": {"name": SPACE, "labels": {**labels(), **enforced, **more}}}


def network_policy(name: str = "default-deny", **spec: Any) -> dict[str, Any]:
    """Return a NetworkPolicy; without ``spec`` the one that denies everything both ways."""
    whole = spec or {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return {"kind": "NetworkPolicy", "metadata": metadata(name), "spec": whole}
