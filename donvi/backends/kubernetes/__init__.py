"""The cluster's API by plain HTTPS: Secrets of certificates, and reading many objects at once.

What goes in: one call per operation that donvi's own provider and verifier need, our errors, our owner mark. What stays
out: what a unit should have (``donvi.tenancy``), the objects that components declare through ``pulumi_kubernetes``.
"""

from donvi.backends.kubernetes.client import Credential, KubernetesClient
from donvi.backends.kubernetes.objects import NAMESPACE, SECRET, Kind, Owner, managers_of, owner_of
from donvi.backends.kubernetes.secrets import SecretAuthority, SecretSpec, SecretStanding

__all__ = [
    "NAMESPACE",
    "SECRET",
    "Credential",
    "Kind",
    "KubernetesClient",
    "Owner",
    "SecretAuthority",
    "SecretSpec",
    "SecretStanding",
    "managers_of",
    "owner_of",
]
