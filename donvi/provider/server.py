"""Starts the provider process with what it may see of its environment."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from donvi.plugin import hosting, process
from donvi.plugin.engine import Engine
from donvi.plugin.process import THREADS
from donvi.plugin.proto import provider_pb2_grpc
from donvi.provider.servicer import ProviderServicer, Shared
from donvi.redaction import conceal

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from donvi.provider.handler import Registry

__all__ = ["ALLOWED", "THREADS", "VERSION", "restrict", "serve"]

VERSION = "0.1.0"
"""What the engine records; equal to the package's version, which takes 30 ms to look up at run time."""

ALLOWED = process.BASE | {"VAULT_ADDR", "VAULT_TOKEN", "VAULT_CACERT"}
"""Variables that the provider, and what it starts, may see; besides them everything that begins with ``DONVI_``."""


def restrict(environ: MutableMapping[str, str]) -> None:
    """Remove every variable that isn't on the allow-list, so that programs we start don't inherit it either."""
    process.restrict(environ, ALLOWED, ("DONVI_",))


def serve(
    registry: Registry, arguments: Sequence[str] | None = None, *, environ: MutableMapping[str, str] = os.environ
) -> None:
    """Run the provider until the engine ends it or dies; returns when everything is closed.

    Started as a host (``donvi.plugin.hosting``) it serves many engines.

    :param arguments: of the command line; the first one that is no option is the engine's address.
    """
    many = hosting.wanted(environ)
    restrict(environ)
    conceal(environ.get("VAULT_TOKEN", ""))
    process.log_to_stderr(environ.get("DONVI_LOG", "WARNING"))
    if many:
        shared = Shared()

        def make(cancelled: threading.Event) -> ProviderServicer:
            return ProviderServicer(registry, VERSION, environ, cancelled, Engine(""), shared=shared)

        hosting.run(make, add=provider_pb2_grpc.add_ResourceProviderServicer_to_server, close=shared.close)
        return
    cancelled = threading.Event()
    engine = Engine(process.engine_address(arguments))
    process.run(ProviderServicer(registry, VERSION, environ, cancelled, engine), cancelled)
