"""``python -m lab.kubernetes_plugin``: what ``path/pulumi-resource-kubernetes`` starts."""

from __future__ import annotations

import os
import threading

from donvi.plugin import process
from donvi.plugin.engine import Engine
from donvi.redaction import conceal
from lab.kubernetes_plugin.servicer import KubernetesServicer

ALLOWED = process.BASE | {"KUBECONFIG", "VAULT_ADDR", "VAULT_TOKEN", "VAULT_CACERT"}
"""Variables that the plugin, and a credential plugin it runs, may see, besides those that begin with ``DONVI_``."""


def main() -> None:
    """Serve until the engine is gone."""
    process.restrict(os.environ, ALLOWED, ("DONVI_",))
    conceal(os.environ.get("VAULT_TOKEN", ""))
    process.log_to_stderr(os.environ.get("DONVI_LOG", "WARNING"))
    cancelled = threading.Event()
    process.run(KubernetesServicer(os.environ, cancelled, Engine(process.engine_address())), cancelled)


if __name__ == "__main__":
    main()
