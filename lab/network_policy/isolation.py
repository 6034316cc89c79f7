"""Who may reach whom: what the policies mean for each pod address, before it becomes rules of a packet filter."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .model import Address, Cluster, Network, Peer, Pod, Port, Rule

LAST_PORT = 65535


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Ports of a protocol (``TCP``, ``UDP``, ``SCTP``)."""

    protocol: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """Other sides and ports that are let through.

    :param networks: where the other side may be; None: anywhere.
    :param exceptions: parts of ``networks`` where it may not be.
    :param ports: of the connection's target; None: all, of every protocol.
    """

    networks: frozenset[Network] | None
    exceptions: frozenset[Network] = frozenset()
    ports: frozenset[Range] | None = None

    def permits(self, other: Address, protocol: str, port: int | None) -> bool:
        """Say whether it lets a connection through; ``port`` is None for protocols without ports."""
        inside = self.networks is None or any(other in network for network in self.networks)
        if not inside or any(other in network for network in self.exceptions):
            return False
        if self.ports is None:
            return True
        return port is not None and any(r.protocol == protocol and r.first <= port <= r.last for r in self.ports)


Allowances = tuple["Allowance", ...]


@dataclass(frozen=True, slots=True)
class Isolation:
    """What each isolated address accepts and may open; an address that isn't a key isn't isolated that way.

    :param known: addresses of all pods.
    """

    known: frozenset[Address]
    ingress: Mapping[Address, Allowances]
    egress: Mapping[Address, Allowances]

    def permits(self, source: Address, target: Address, protocol: str, port: int | None) -> bool:
        """Say whether a connection may be; a pod always reaches itself."""
        if source == target:
            return True
        ways = ((self.egress.get(source), target), (self.ingress.get(target), source))
        return all(
            allowances is None or any(allowance.permits(other, protocol, port) for allowance in allowances)
            for allowances, other in ways
        )


def isolate(cluster: Cluster) -> Isolation:
    """Return what the policies mean for the pods."""
    ingress: dict[Address, Allowances] = {}
    egress: dict[Address, Allowances] = {}
    for pod in cluster.pods:
        own = [p for p in cluster.policies if p.namespace == pod.namespace and p.pods.matches(pod.labels)]
        inward = [rule for policy in own for rule in policy.ingress or ()]
        outward = [rule for policy in own for rule in policy.egress or ()]
        for address in pod.addresses:
            if any(policy.ingress is not None for policy in own):
                ingress[address] = _merge(_ingress(cluster, rule, pod) for rule in inward)
            if any(policy.egress is not None for policy in own):
                egress[address] = _merge(_egress(cluster, rule, pod) for rule in outward)
    return Isolation(frozenset(address for pod in cluster.pods for address in pod.addresses), ingress, egress)


def _merge(found: Iterable[Allowances]) -> Allowances:
    """Return the allowances of all rules, each once, in an order that depends on nothing else."""
    return tuple(sorted({allowance for allowances in found for allowance in allowances}, key=repr))


def _ingress(cluster: Cluster, rule: Rule, pod: Pod) -> Allowances:
    """Return what a rule lets in; a named port is this pod's own."""
    ports = _ports(rule.ports, pod)
    if rule.ports and not ports:
        return ()
    return tuple(_sides(cluster, rule, pod.namespace, frozenset(ports) if rule.ports else None))


def _egress(cluster: Cluster, rule: Rule, pod: Pod) -> Allowances:
    """Return what a rule lets out; a named port is the other pod's."""
    named = tuple(port for port in rule.ports if isinstance(port.port, str))
    plain = frozenset(_ports(tuple(port for port in rule.ports if port not in named), None))
    found = list(_sides(cluster, rule, pod.namespace, plain if rule.ports else None)) if plain or not rule.ports else []
    for other in cluster.pods if named else ():
        if not rule.peers or any(_selects(cluster, peer, other, pod.namespace) for peer in rule.peers):
            ports = frozenset(_ports(named, other))
            if ports:
                found.append(Allowance(_hosts([other]), ports=ports))
    return tuple(found)


def _ports(ports: tuple[Port, ...], pod: Pod | None) -> set[Range]:
    """Return numbers for a rule's ports; a name that the pod doesn't have stands for none."""
    found = set()
    for port in ports:
        if port.port is None:
            found.add(Range(port.protocol, 0, LAST_PORT))
        elif isinstance(port.port, int):
            found.add(Range(port.protocol, port.port, port.last or port.port))
        elif pod is not None and (number := pod.ports.get((port.protocol, port.port))) is not None:
            found.add(Range(port.protocol, number, number))
    return found


def _sides(cluster: Cluster, rule: Rule, namespace: str, ports: frozenset[Range] | None) -> Iterable[Allowance]:
    if not rule.peers:
        yield Allowance(None, ports=ports)
        return
    for peer in rule.peers:
        if peer.block is not None:
            yield Allowance(frozenset({peer.block}), frozenset(peer.exceptions), ports)
    pods = [p for p in cluster.pods if any(_selects(cluster, peer, p, namespace) for peer in rule.peers)]
    if pods:
        yield Allowance(_hosts(pods), ports=ports)


def _selects(cluster: Cluster, peer: Peer, pod: Pod, namespace: str) -> bool:
    """Say whether a peer of a policy in ``namespace`` means this pod."""
    if peer.block is not None:
        return False
    if peer.namespaces is None:
        inside = pod.namespace == namespace
    else:
        labels = cluster.namespaces.get(pod.namespace)
        inside = labels is not None and peer.namespaces.matches(labels)
    return inside and (peer.pods is None or peer.pods.matches(pod.labels))


def _hosts(pods: Iterable[Pod]) -> frozenset[Network]:
    return frozenset(ip_network(address) for pod in pods for address in pod.addresses)
