"""The typed objects of a unit's namespace: what isolates it, bounds it, and lets people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulumi_kubernetes.core.v1 import LimitRangeItemArgs, LimitRangeSpecArgs, ResourceQuotaSpecArgs
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import (
    IPBlockArgs,
    NetworkPolicyEgressRuleArgs,
    NetworkPolicyIngressRuleArgs,
    NetworkPolicyPeerArgs,
    NetworkPolicyPortArgs,
    NetworkPolicySpecArgs,
)
from pulumi_kubernetes.rbac.v1 import RoleRefArgs, SubjectArgs

if TYPE_CHECKING:
    from donvi.tenancy.app_model import AccessBinding, Namespace, NetworkPeer, NetworkRule, Share

APP_LABEL = "app.kubernetes.io/name"
DOMAIN_ANNOTATION = "donvi/domain"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
RBAC_GROUP = "rbac.authorization.k8s.io"
POD_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("audit", "enforce", "warn")}


def labels(unit: str, zone: str, system: str = "") -> dict[str, str]:
    """Return what every object of a unit carries; ``system`` where it belongs to one app only."""
    own = {"donvi/unit": unit, "donvi/zone": zone, "app.kubernetes.io/managed-by": "donvi"}
    return {**own, "donvi/system": system} if system else own


def namespace_metadata(space: Namespace) -> ObjectMetaArgs:
    """Return the namespace itself: Pod Security ``restricted``, and the domain below which its routes must lie."""
    return ObjectMetaArgs(
        name=space.id,
        labels={**labels(space.unit, space.zone), **POD_SECURITY},
        annotations={DOMAIN_ANNOTATION: space.domain},
    )


def metadata(space: Namespace, name: str, system: str = "") -> ObjectMetaArgs:
    """Return name and labels of an object in the namespace."""
    return ObjectMetaArgs(name=name, namespace=space.id, labels=labels(space.unit, space.zone, system))


def quota(space: Namespace) -> ResourceQuotaSpecArgs:
    """Return what all pods together may have; nothing that listens on the node, and no disks."""
    share = space.quota.share
    return ResourceQuotaSpecArgs(
        hard={
            "pods": str(space.quota.pods),
            "requests.cpu": _cpu(share.cpu_request),
            "limits.cpu": _cpu(share.cpu_limit),
            "requests.memory": _memory(share.memory_request),
            "limits.memory": _memory(share.memory_limit),
            "services": str(space.quota.services),
            "services.nodeports": "0",
            "services.loadbalancers": "0",
            "persistentvolumeclaims": "0",
            "configmaps": str(space.quota.config_maps),
            "secrets": str(space.quota.secrets),
        }
    )


def limits(space: Namespace) -> LimitRangeSpecArgs:
    """Return what a container gets that names nothing, and the most that one may name."""
    most = quantities(space.container)
    return LimitRangeSpecArgs(
        limits=[
            LimitRangeItemArgs(
                type="Container", default=most["limits"], default_request=most["requests"], max=most["limits"]
            )
        ]
    )


def policy(rule: NetworkRule) -> NetworkPolicySpecArgs:
    """Return a NetworkPolicy; without peers it allows nothing in its directions."""
    peers = [_peer(peer) for peer in rule.peers]
    ports = [NetworkPolicyPortArgs(protocol=port.protocol.upper(), port=port.port) for port in rule.ports]
    inward, outward = "ingress" in rule.directions and peers, "egress" in rule.directions and peers
    return NetworkPolicySpecArgs(
        pod_selector=LabelSelectorArgs(match_labels={APP_LABEL: rule.app}) if rule.app else LabelSelectorArgs(),
        policy_types=[direction.capitalize() for direction in sorted(rule.directions, reverse=True)],
        ingress=[NetworkPolicyIngressRuleArgs(from_=peers, ports=ports)] if inward else None,
        egress=[NetworkPolicyEgressRuleArgs(to=peers, ports=ports)] if outward else None,
    )


def role_reference(binding: AccessBinding) -> RoleRefArgs:
    """Return the rights that a group gets; the cluster's playbook made them."""
    return RoleRefArgs(api_group=RBAC_GROUP, kind="ClusterRole", name=binding.cluster_role)


def subjects(binding: AccessBinding) -> list[SubjectArgs]:
    """Return who gets them."""
    return [SubjectArgs(api_group=RBAC_GROUP, kind="Group", name=binding.group)]


def quantities(share: Share) -> dict[str, dict[str, str]]:
    """Return requests and limits in the API's notation."""
    return {
        "requests": {"cpu": _cpu(share.cpu_request), "memory": _memory(share.memory_request)},
        "limits": {"cpu": _cpu(share.cpu_limit), "memory": _memory(share.memory_limit)},
    }


def _peer(peer: NetworkPeer) -> NetworkPolicyPeerArgs:
    if peer.cidr:
        return NetworkPolicyPeerArgs(ip_block=IPBlockArgs(cidr=peer.cidr))
    return NetworkPolicyPeerArgs(
        namespace_selector=LabelSelectorArgs(match_labels={NAMESPACE_LABEL: peer.namespace}),
        pod_selector=LabelSelectorArgs(match_labels=dict(peer.pods)),
    )


def _cpu(thousandths: int) -> str:
    """Return processors as the API server writes them, so that a refresh shows no difference."""
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"


def _memory(mebibytes: int) -> str:
    return f"{mebibytes // 1024}Gi" if mebibytes % 1024 == 0 else f"{mebibytes}Mi"
