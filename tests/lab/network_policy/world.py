"""The few pods that the cases speak of, and the cases."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lab.network_policy.model import Cluster, Pod, read_pod, read_policy

PODS = (ip_network("10.0.64.0/24"),)
ADDRESSES = {
    "web": "10.0.64.2",
    "db": "10.0.64.3",
    "other": "10.0.64.4",
    "twin": "10.0.64.9",
    "outside": "10.9.0.2",
    "unknown": "10.0.64.77",  # a pod that the API hasn't told of
}
NAMESPACES = {"a": {"kubernetes.io/metadata.name": "a"}, "b": {"city": "yes"}}


class Ask(NamedTuple):
    """A connection that a case speaks of."""

    source: str
    target: str
    port: int


class Case(NamedTuple):
    """Policies, and what they open and close."""

    name: str
    policies: list[dict[str, Any]]
    open: list[str]
    closed: list[str]

    def cluster(self) -> Cluster:
        """The world under the case's policies."""
        read = [
            read_policy({"metadata": {"namespace": policy["namespace"], "name": str(number)}, "spec": policy["spec"]})
            for number, policy in enumerate(self.policies)
        ]
        return Cluster(pods(), NAMESPACES, tuple(read))


def cases() -> list[Case]:
    text = Path(__file__).with_name("cases.yaml").read_text(encoding="utf-8")
    return [Case(**case) for case in yaml.safe_load(text)]


def ask(text: str) -> Ask:
    source, _, target, port = text.split()
    return Ask(source, target, int(port))


def pods() -> tuple[Pod, ...]:
    """Return the pods, read from what the API would say."""
    wanted = [
        ("a", "web", {"app": "web"}, {"https": 8443}),
        ("a", "db", {"app": "db"}, {}),
        ("b", "other", {"app": "other", "old": "1"}, {}),
        ("b", "twin", {"app": "web"}, {"https": 9443}),
    ]
    items = [_item(namespace, name, labels, ports) for namespace, name, labels, ports in wanted]
    return tuple(pod for item in items if (pod := read_pod(item)) is not None)


def address(name: str) -> Any:
    return ip_address(ADDRESSES[name])


def _item(namespace: str, name: str, labels: dict[str, str], ports: dict[str, int]) -> dict[str, Any]:
    listed = [{"name": port, "containerPort": number} for port, number in ports.items()]
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {"containers": [{"name": "it", "ports": listed}]},
        "status": {"phase": "Running", "podIPs": [{"ip": ADDRESSES[name]}]},
    }
