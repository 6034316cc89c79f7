"""A Service that names no unit: in nobody's report, nobody's clean-up."""

import pulumi_kubernetes as k8s
from parts import LABELS, NAMESPACE


def program(*, repaired: bool) -> None:
    """Declare the Service."""
    k8s.core.v1.Service(
        "site",
        metadata={"name": "site", "namespace": NAMESPACE, "labels": LABELS if repaired else {"app": "site"}},
        spec={"selector": {"app.kubernetes.io/name": "site"}, "ports": [{"name": "https", "port": 443}]},
    )
