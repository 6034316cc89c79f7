"""Kinds of the Gateway API (v1.3.0) that a unit declares, typed once; ``pulumi_kubernetes`` has only built-in kinds.

Fields that the API server would default are written out, so that server-side apply and a refresh show no difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pulumi_kubernetes.apiextensions import CustomResource

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi
    from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

GROUP = "gateway.networking.k8s.io"
TLS_ROUTE_VERSION = f"{GROUP}/v1alpha2"


@dataclass(frozen=True)
class Listener:
    """One listener of a Gateway, which a route hangs itself on."""

    gateway: str
    namespace: str
    name: str

    def reference(self) -> dict[str, str]:
        """Return it as ``parentRefs`` has it."""
        return {
            "group": GROUP,
            "kind": "Gateway",
            "namespace": self.namespace,
            "name": self.gateway,
            "sectionName": self.name,
        }


@dataclass(frozen=True)
class Backend:
    """A Service of the route's own namespace, at one of its ports."""

    service: str
    port: int

    def reference(self) -> dict[str, Any]:
        """Return it as ``backendRefs`` has it."""
        return {"group": "", "kind": "Service", "name": self.service, "port": self.port, "weight": 1}


class TLSRoute(CustomResource):  # type: ignore[misc]  # mypy reads none of the SDK: it is huge
    """Leads connections by the host name that the client asks for; TLS passes through untouched.

    :param hostnames: exact names.
    """

    def __init__(
        self,
        name: str,
        *,
        metadata: ObjectMetaArgs,
        listener: Listener,
        hostnames: Sequence[str],
        backend: Backend,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        spec = {
            "parentRefs": [listener.reference()],
            "hostnames": list(hostnames),
            "rules": [{"backendRefs": [backend.reference()]}],
        }
        super().__init__(name, api_version=TLS_ROUTE_VERSION, kind="TLSRoute", metadata=metadata, spec=spec, opts=opts)
