"""Pods, namespaces and policies, as far as they matter here, read from the API's objects."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Labels = dict[str, str]
FINISHED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that has its own network.

    :param ports: number of each named port, by protocol and name.
    """

    namespace: str
    name: str
    labels: Labels
    addresses: tuple[Address, ...]
    ports: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of a selector's ``matchExpressions``."""

    key: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selector:
    """A label selector; without any requirement it matches everything."""

    requirements: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether labels fulfil every requirement.

        :raises ValueError: an operator that the API doesn't have.
        """
        return all(_holds(requirement, labels) for requirement in self.requirements)


@dataclass(frozen=True, slots=True)
class Peer:
    """The other side of a rule: either ``block`` and its exceptions, or pods by ``namespaces`` and ``pods``."""

    block: Network | None = None
    exceptions: tuple[Network, ...] = ()
    namespaces: Selector | None = None
    pods: Selector | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """A rule's port: number, range (``last``), name, or every port of a protocol when ``port`` is None."""

    protocol: str
    port: int | str | None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What is let through; no peers: anybody, no ports: every protocol and port."""

    peers: tuple[Peer, ...]
    ports: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A NetworkPolicy; ``ingress`` and ``egress`` are None where it doesn't isolate that way."""

    namespace: str
    name: str
    pods: Selector
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None


@dataclass(frozen=True, slots=True)
class Cluster:
    """All that rules follow from; ``namespaces`` gives the labels by name."""

    pods: tuple[Pod, ...]
    namespaces: Mapping[str, Labels]
    policies: tuple[Policy, ...]


def read_pod(item: Mapping[str, Any]) -> Pod | None:
    """Return a pod from the API's object; None if it has no network of its own, now or any more."""
    spec, status, meta = item.get("spec", {}), item.get("status", {}), item["metadata"]
    addresses = [entry["ip"] for entry in status.get("podIPs") or [] if entry.get("ip")]
    if spec.get("hostNetwork") or status.get("phase") in FINISHED or not addresses:
        return None
    containers = [*(spec.get("containers") or []), *_sidecars(spec)]
    ports = {
        (port.get("protocol", "TCP"), port["name"]): int(port["containerPort"])
        for container in containers
        for port in container.get("ports") or []
        if port.get("name")
    }
    labels = dict(meta.get("labels") or {})
    return Pod(meta["namespace"], meta["name"], labels, tuple(map(ip_address, addresses)), ports)


def read_policy(item: Mapping[str, Any]) -> Policy:
    """Return a policy from the API's object."""
    spec, meta = item.get("spec") or {}, item["metadata"]
    kinds = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return Policy(
        namespace=meta["namespace"],
        name=meta["name"],
        pods=read_selector(spec.get("podSelector")),
        ingress=_rules(spec.get("ingress"), "from") if "Ingress" in kinds else None,
        egress=_rules(spec.get("egress"), "to") if "Egress" in kinds else None,
    )


def read_selector(item: Mapping[str, Any] | None) -> Selector:
    """Return a selector from the API's object."""
    item = item or {}
    equal = [Requirement(key, "In", (value,)) for key, value in sorted((item.get("matchLabels") or {}).items())]
    others = [
        Requirement(entry["key"], entry["operator"], tuple(entry.get("values") or ()))
        for entry in item.get("matchExpressions") or []
    ]
    return Selector((*equal, *others))


def _sidecars(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [entry for entry in spec.get("initContainers") or [] if entry.get("restartPolicy") == "Always"]


def _rules(items: list[Mapping[str, Any]] | None, side: str) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            peers=tuple(_peer(peer) for peer in item.get(side) or []),
            ports=tuple(
                Port(port.get("protocol", "TCP"), port.get("port"), port.get("endPort"))
                for port in item.get("ports") or []
            ),
        )
        for item in items or []
    )


def _peer(item: Mapping[str, Any]) -> Peer:
    if block := item.get("ipBlock"):
        exceptions = tuple(ip_network(text, strict=False) for text in block.get("except") or [])
        return Peer(block=ip_network(block["cidr"], strict=False), exceptions=exceptions)
    chosen = {
        name: read_selector(item[name]) if name in item else None for name in ("namespaceSelector", "podSelector")
    }
    return Peer(namespaces=chosen["namespaceSelector"], pods=chosen["podSelector"])


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    present, value = requirement.key in labels, labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return present and value in requirement.values
        case "NotIn":
            return not present or value not in requirement.values
        case "Exists":
            return present
        case "DoesNotExist":
            return not present
    raise ValueError(f"there is no selector operator {requirement.operator!r}")
