"""What the examples about pods have in common: a web site that every rule accepts."""

from __future__ import annotations

from typing import Any

import pulumi_kubernetes as k8s

IMAGE = "registry.tphcm.test/site@sha256:" + "1f" * 32
LABELS = {"donvi/unit": "26506", "donvi/zone": "public", "app.kubernetes.io/managed-by": "donvi"}
NAMESPACE = "unit-26506-public"
RESOURCES = {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}}
SECURITY: dict[str, Any] = {
    "allow_privilege_escalation": False,
    "read_only_root_filesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def metadata(name: str) -> k8s.meta.v1.ObjectMetaArgs:
    """Return metadata of an object of the unit."""
    return k8s.meta.v1.ObjectMetaArgs(name=name, namespace=NAMESPACE, labels=LABELS)


def site(**changed: Any) -> k8s.apps.v1.Deployment:
    """Declare the site's Deployment; ``changed`` are fields of its container."""
    probe = {"http_get": {"path": "/-/ready", "port": 8080}}
    container = {
        "name": "site",
        "image": IMAGE,
        "resources": RESOURCES,
        "security_context": SECURITY,
        "readiness_probe": probe,
        "liveness_probe": probe,
        **changed,
    }
    pod = {
        "automount_service_account_token": False,
        "security_context": {"run_as_non_root": True, "seccomp_profile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    selected = {"app.kubernetes.io/name": "site"}
    return k8s.apps.v1.Deployment(
        "site",
        metadata=metadata("site"),
        spec={
            "selector": {"match_labels": selected},
            "template": {"metadata": {"labels": {**LABELS, **selected}}, "spec": pod},
        },
    )
