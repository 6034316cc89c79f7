"""Runs a plugin: one gRPC server on loopback, a thread per call, gone when the engine is gone.

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
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import grpc  # type: ignore[import-untyped]

from donvi.plugin import GRACE_SECONDS
from donvi.plugin.proto import provider_pb2_grpc
from donvi.redaction import RedactingFormatter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping, Sequence

log = logging.getLogger(__name__)

THREADS = 64
"""More than the backends' limits together, so that a full backend never holds up another one."""

BASE = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "USER"})
"""Variables that any program needs."""

OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024), ("grpc.so_reuseport", 0)]


class Closable(Protocol):
    """Any servicer that can be closed."""

    def close(self) -> None:
        """Close what was opened."""


class Servicer(provider_pb2_grpc.ResourceProviderServicer, ABC):
    """A ResourceProvider servicer that can be closed."""

    @abstractmethod
    def close(self) -> None:
        """Close what was opened."""


def restrict(environ: MutableMapping[str, str], allowed: frozenset[str], prefixes: tuple[str, ...]) -> None:
    """Remove every variable that isn't on the allow-list, so that programs we start don't inherit it either."""
    for name in list(environ):
        if name not in allowed and not name.startswith(prefixes):
            del environ[name]


def engine_address(arguments: Sequence[str] | None = None) -> str:
    """Return the engine's address: the first argument that is no option."""
    given = sys.argv[1:] if arguments is None else arguments
    return next((argument for argument in given if not argument.startswith("-")), "")


def log_to_stderr(level: str) -> None:
    """Send redacted log lines to standard error, where the engine picks them up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def run(
    servicer: Closable,
    cancelled: threading.Event,
    *,
    add: Callable[[Any, grpc.Server], None] = provider_pb2_grpc.add_ResourceProviderServicer_to_server,
) -> None:
    """Serve until the engine ends the process or dies; returns when everything is closed.

    :param add: gives the server the servicer's methods; a resource provider's by default.
    """
    ended = threading.Event()
    server = grpc.server(ThreadPoolExecutor(THREADS, thread_name_prefix="call"), options=OPTIONS)
    add(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    end_on_signal(ended)
    end_with_parent(ended)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    ended.wait()
    cancelled.set()
    server.stop(GRACE_SECONDS).wait()
    servicer.close()


def leave() -> NoReturn:
    """End this process, in which everything is closed: the engine waits for it, and taking it apart gains nothing."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def end_on_signal(ended: threading.Event) -> None:
    """Set the event when this process is asked to end.

    The kernel may give the signal to any thread, and only the main one runs Python's handlers, when it next runs at
    all: a pipe wakes a thread of its own.
    """
    told, tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)

    def watch() -> None:
        _wait_readable([told])
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # neither Python's nor the system's default
    threading.Thread(target=watch, name="signal-watch", daemon=True).start()


def end_with_parent(ended: threading.Event) -> None:
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
