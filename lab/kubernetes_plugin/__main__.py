"""``python -m lab.kubernetes_plugin``: what ``path/pulumi-resource-kubernetes`` starts."""

from __future__ import annotations

import os
import threading

from donvi.plugin import hosting, process
from donvi.plugin.engine import Engine
from donvi.plugin.proto import provider_pb2_grpc
from donvi.redaction import conceal
from lab.kubernetes_plugin.api import Connections
from lab.kubernetes_plugin.servicer import KubernetesServicer

ALLOWED = process.BASE | {"KUBECONFIG", "VAULT_ADDR", "VAULT_TOKEN", "VAULT_CACERT"}
"""Variables that the plugin, and a credential plugin it runs, may see, besides those that begin with ``DONVI_``."""


def main() -> None:
    """Serve one engine, or started as a host many, until whoever started this process is gone."""
    many = hosting.wanted(os.environ)
    process.restrict(os.environ, ALLOWED, ("DONVI_",))
    conceal(os.environ.get("VAULT_TOKEN", ""))
    process.log_to_stderr(os.environ.get("DONVI_LOG", "WARNING"))
    connections = Connections(os.environ)
    if many:
        add = provider_pb2_grpc.add_ResourceProviderServicer_to_server
        hosting.run(lambda one: KubernetesServicer(connections, one, Engine("")), add=add, close=connections.close)
        return
    cancelled = threading.Event()
    process.run(KubernetesServicer(connections, cancelled, Engine(process.engine_address())), cancelled)
    connections.close()


if __name__ == "__main__":
    main()
    process.leave()
