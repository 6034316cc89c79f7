"""What `kubectl` and Pulumi need to find the cluster; pure, and without any secret unless a person's own is put in."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from donvi.errors import UsageError

if TYPE_CHECKING:
    from donvi.deployment import ClusterPlace, Deployment

CLUSTER = "city"
EXTENSION = "donvi"
"""Name of the mark in a file that donvi wrote, by which it knows its own."""


def kubeconfig(deployment: Deployment) -> dict[str, Any]:
    """Return a configuration whose credential is fetched when it is needed: ``donvi cluster credential``.

    It holds addresses and public certificates only, so it may lie in a state. The command must be on PATH, and
    ``VAULT_ADDR``, ``VAULT_TOKEN`` and ``VAULT_CACERT`` in the environment.

    :raises UsageError: the deployment has no cluster.
    """
    command = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "donvi",
        "args": ["cluster", "credential"],
        "interactiveMode": "Never",
        "provideClusterInfo": False,
        "installHint": 'donvi is not on PATH: run `eval "$(uv run donvi lab env)"` first',
    }
    return _config(place(deployment), "operator", {"exec": command})


def personal(
    deployment: Deployment, login: str, *, certificate: str, key: str, expires: str, namespace: str
) -> dict[str, Any]:
    """Return a configuration of one person, certificate and key included: for a file that only they read.

    :param expires: RFC 3339.
    :raises UsageError: the deployment has no cluster.
    """
    pair = {
        "client-certificate-data": _base64(certificate),
        "client-key-data": _base64(key),
    }
    mark = {"name": EXTENSION, "extension": {"login": login, "expires": expires}}
    return _config(place(deployment), login, pair, namespace) | {"extensions": [mark]}


def is_own(config: Any) -> bool:
    """Say whether a configuration is one that :func:`personal` made."""
    extensions = config.get("extensions") if isinstance(config, dict) else None
    return any(isinstance(entry, dict) and entry.get("name") == EXTENSION for entry in extensions or ())


def place(deployment: Deployment) -> ClusterPlace:
    """Return where the cluster is.

    :raises UsageError: the deployment has none.
    """
    if deployment.cluster is None:
        raise UsageError(
            "the deployment has no cluster", hint="add `cluster` to the deployment file, in the lab with `make up`"
        )
    return deployment.cluster


def _config(where: ClusterPlace, user: str, secret: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    context = {"cluster": CLUSTER, "user": user} | ({"namespace": namespace} if namespace else {})
    cluster = {"server": where.server, "certificate-authority-data": _base64(where.ca)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CLUSTER, "cluster": cluster}],
        "users": [{"name": user, "user": secret}],
        "contexts": [{"name": CLUSTER, "context": context}],
        "current-context": CLUSTER,
    }


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
