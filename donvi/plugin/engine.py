"""The engine as a plugin sees it: a place to show a person a line beside a resource."""

from __future__ import annotations

import logging
import threading
from typing import Any

import grpc  # type: ignore[import-untyped]

from donvi.plugin.proto import engine_pb2, engine_pb2_grpc
from donvi.redaction import redact

log = logging.getLogger(__name__)
SECONDS = 5.0


class Engine:
    """Sends diagnostics to the engine that started this process; without an address they only go to the log.

    :param address: ``host:port`` from the command line.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._stub: engine_pb2_grpc.EngineStub | None = None
        self._lock = threading.Lock()

    def at(self, address: str) -> None:
        """Send to this engine from now on."""
        with self._lock:
            if address and address != self._address:
                self._address, self._stub = address, None

    def info(self, urn: str, message: str) -> None:
        """Show a line beside a resource. Never fails: a line less is no reason to stop."""
        self._say(urn, message, engine_pb2.INFO)

    def warn(self, urn: str, message: str) -> None:
        """Show a warning beside a resource. Never fails."""
        self._say(urn, message, engine_pb2.WARNING)

    def status(self, urn: str, message: str) -> None:
        """Show what a resource is waiting for, until the next status; it is gone when the run is over."""
        self._say(urn, message, engine_pb2.INFO, ephemeral=True)

    def _say(self, urn: str, message: str, severity: Any, *, ephemeral: bool = False) -> None:
        line = redact(message)
        log.info("%s: %s", urn, line)
        if not self._address:
            return
        said = engine_pb2.LogRequest(severity=severity, message=line, urn=urn, ephemeral=ephemeral)
        try:
            self._connected().Log(said, timeout=SECONDS)
        except grpc.RpcError:
            log.warning("the engine took no message about %s", urn)

    def _connected(self) -> engine_pb2_grpc.EngineStub:
        with self._lock:
            if self._stub is None:
                self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._address))
            return self._stub
