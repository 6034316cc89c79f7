"""Starts the provider: one gRPC server on loopback, a thread per call, gone when the engine is gone.

The engine starts this process, reads one line with the port from its standard output, and talks gRPC to it. Nothing
else may be printed there before that line.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2_grpc

from donvi.provider.engine import Engine
from donvi.provider.servicer import ProviderServicer
from donvi.redaction import RedactingFormatter, conceal

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping, Sequence

    from donvi.provider.handler import Registry

log = logging.getLogger(__name__)

VERSION = "0.1.0"
"""What the engine records; equal to the package's version, which takes 30 ms to look up at run time."""

ALLOWED = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "USER", "VAULT_ADDR", "VAULT_TOKEN", "VAULT_CACERT"}
)
"""Variables that the provider, and what it starts, may see; besides them everything that begins with ``DONVI_``."""

THREADS = 64
"""More than the backends' limits together, so that a full backend never holds up another one."""

GRACE_SECONDS = 20.0
"""How long operations that run may take to finish after a signal or the engine's death."""

_OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024), ("grpc.so_reuseport", 0)]


def restrict(environ: MutableMapping[str, str]) -> None:
    """Remove every variable that isn't on the allow-list, so that programs we start don't inherit it either."""
    for name in list(environ):
        if name not in ALLOWED and not name.startswith("DONVI_"):
            del environ[name]


def serve(
    registry: Registry, arguments: Sequence[str] | None = None, *, environ: MutableMapping[str, str] = os.environ
) -> None:
    """Run the provider until the engine ends it or dies; returns when everything is closed.

    :param arguments: of the command line; the first one that is no option is the engine's address.
    """
    restrict(environ)
    _log_to_stderr(environ)
    ended = threading.Event()
    cancelled = threading.Event()
    servicer = ProviderServicer(registry, VERSION, environ, cancelled, Engine(_engine_address(arguments)))
    server = grpc.server(ThreadPoolExecutor(THREADS, thread_name_prefix="call"), options=_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    _end_on_signal(ended)
    _end_with_parent(ended)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    ended.wait()
    cancelled.set()
    server.stop(GRACE_SECONDS).wait()
    servicer.close()


def _engine_address(arguments: Sequence[str] | None) -> str:
    given = sys.argv[1:] if arguments is None else arguments
    return next((argument for argument in given if not argument.startswith("-")), "")


def _log_to_stderr(environ: MutableMapping[str, str]) -> None:
    conceal(environ.get("VAULT_TOKEN", ""))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=environ.get("DONVI_LOG", "WARNING").upper(), handlers=[handler])


def _end_on_signal(ended: threading.Event) -> None:
    def stop(*_: Any) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _end_with_parent(ended: threading.Event) -> None:
    """End when the engine that started us dies, also by ``kill -9``: an orphan would hold connections for ever."""
    try:
        engine = os.pidfd_open(os.getppid())
    except OSError:
        return

    def watch() -> None:
        _wait_readable([engine])
        log.warning("the engine is gone; finishing what runs")
        ended.set()

    threading.Thread(target=watch, name="engine-watch", daemon=True).start()


def _wait_readable(descriptors: Iterable[int]) -> None:
    select.select(list(descriptors), [], [])
