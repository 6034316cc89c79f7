"""What the stacks' workspaces share in the cluster: namespace, account, who may talk to them, where the systems are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from donvi.deployment import parse
from donvi.kubeconfig import kubeconfig

if TYPE_CHECKING:
    from donvi.fleet.operator.model import Choices, Places

PLACES = "donvi-places"
LABELS = {"app.kubernetes.io/managed-by": "donvi", "app.kubernetes.io/part-of": "donvi"}
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def shared(places: Places, choices: Choices) -> list[dict[str, Any]]:
    """Return the shared objects, in the order in which they must be applied."""
    return [
        _object("v1", "Namespace", choices.namespace, labels=RESTRICTED),
        _object("v1", "ServiceAccount", choices.account, choices.namespace),
        _delegation(choices),
        _doors(choices),
        _places(places, choices),
    ]


def _object(
    version: str, kind: str, name: str, namespace: str = "", *, labels: dict[str, str] | None = None, **rest: Any
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "labels": {**LABELS, **(labels or {})}}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def _delegation(choices: Choices) -> dict[str, Any]:
    """Let a workspace ask the cluster who talks to it: it admits the operator by its token."""
    return _object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        f"{choices.namespace}-{choices.account}-auth-delegator",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
        subjects=[{"kind": "ServiceAccount", "name": choices.account, "namespace": choices.namespace}],
    )


def _doors(choices: Choices) -> dict[str, Any]:
    """Only the operator reaches a workspace's agent."""
    caller = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": choices.operator}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "pulumi-kubernetes-operator"}},
    }
    return _object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "workspaces-answer-the-operator",
        choices.namespace,
        spec={
            "podSelector": {"matchLabels": {"auto.pulumi.com/component": "workspace"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [caller], "ports": [{"port": "grpc", "protocol": "TCP"}]}],
        },
    )


def _places(places: Places, choices: Choices) -> dict[str, Any]:
    deployment = parse(places.deployment)
    data = {"deployment.json": places.deployment, "known_hosts": places.known_hosts, "root.crt": places.ca}
    if deployment.cluster:
        data["kubeconfig.json"] = json.dumps(kubeconfig(deployment), indent=2) + "\n"
    return _object("v1", "ConfigMap", PLACES, choices.namespace, data=data)
