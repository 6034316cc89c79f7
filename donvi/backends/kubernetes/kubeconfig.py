"""Where ``kubectl`` and Pulumi find the cluster; see :mod:`donvi.kubeconfig`, which needs no backend."""

from donvi.kubeconfig import kubeconfig

__all__ = ["kubeconfig"]
