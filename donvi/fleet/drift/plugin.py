"""A provider plugin asked by the engine's own protocol, without an engine: what it reads and what it calls a change.

For objects of Pulumi's Kubernetes provider, whose rules live in the plugin that the engine would start, the official
one or the lab's stand-in. One process serves all stacks that point to the same cluster.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]

from donvi.errors import BackendError, UsageError
from donvi.fleet.drift.model import CHANGED
from donvi.fleet.drift.verdict import gone
from donvi.fleet.events import value_at
from donvi.fleet.model import Change, PropertyChange
from donvi.plugin.proto import engine_pb2, engine_pb2_grpc, provider_pb2, provider_pb2_grpc, status_pb2
from donvi.plugin.wire import encode
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from donvi.fleet.drift.state import Resource

SECONDS = 120.0
END_SECONDS = 10.0
LARGEST = 400 * 1024 * 1024
_KINDS = {0: "add", 1: "add-replace", 2: "delete", 3: "delete-replace", 4: "update", 5: "update-replace"}
_INVERTED = {0: 2, 1: 3, 2: 0, 3: 1, 4: 4, 5: 5}


class _Engine(engine_pb2_grpc.EngineServicer):
    """Where the plugin logs: lines beside a resource are kept, the rest is dropped."""

    def __init__(self) -> None:
        self.said: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802 - names of the protocol
        """Keep a line."""
        if request.severity != engine_pb2.DEBUG and not request.ephemeral:
            with self._lock:
                self.said.setdefault(request.urn, []).append(redact(request.message.strip()))
        return empty_pb2.Empty()


class Plugin:
    """A running plugin, configured as a stack's provider resource says.

    :param package: e.g. ``kubernetes``.
    :param settings: inputs of the provider resource.
    :param environ: what the plugin sees, PATH included.
    """

    def __init__(self, package: str, settings: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._package = package
        self._engine = _Engine()
        self._server = grpc.server(ThreadPoolExecutor(4, thread_name_prefix="engine"))
        engine_pb2_grpc.add_EngineServicer_to_server(self._engine, self._server)
        address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        self._process, port = _start(package, address, environ)
        options = [("grpc.max_receive_message_length", LARGEST), ("grpc.max_send_message_length", LARGEST)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self._provider = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self._configure(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._channel.close()
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._server.stop(None)

    def judge(self, resource: Resource) -> tuple[Change | None, tuple[str, ...]]:
        """Read a resource and judge it as a refresh does; returns the change, ``None`` if there is none, and notes.

        :raises BackendError: the plugin can't say.
        """
        declared = encode(resource.inputs)
        real, notes = self._read(resource, declared)
        if not real.id:
            return gone(resource), notes
        request = provider_pb2.DiffRequest(
            id=real.id, urn=resource.urn, olds=real.properties, old_inputs=real.inputs, news=declared
        )
        _name(request, resource)
        answer = self._ask("compare", resource, lambda: self._provider.Diff(request, timeout=SECONDS))
        notes += tuple(self._engine.said.pop(resource.urn, ()))
        if answer.changes == provider_pb2.DiffResponse.DIFF_NONE:
            return None, notes
        found = tuple(sorted(_properties(resource, real, answer)))
        return Change(CHANGED, resource.type, resource.urn, found), notes

    def _read(self, resource: Resource, declared: Any) -> tuple[Any, tuple[str, ...]]:
        request = provider_pb2.ReadRequest(
            id=resource.id, urn=resource.urn, inputs=declared, properties=encode(resource.outputs)
        )
        _name(request, resource)
        try:
            return self._provider.Read(request, timeout=SECONDS), ()
        except grpc.RpcError as error:
            unready = _unready(error)
            if unready is None:
                raise self._failed("read", resource, error) from None
            real = provider_pb2.ReadResponse(id=unready.id, properties=unready.properties, inputs=unready.inputs)
            return real, tuple(map(redact, unready.reasons))

    def _configure(self, settings: Mapping[str, Any]) -> None:
        given = {name: value for name, value in settings.items() if not name.startswith("__")}
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
        request = provider_pb2.ConfigureRequest(
            variables={f"{self._package}:config:{name}": text for name, text in texts.items()},
            args=encode(given),
            acceptSecrets=True,
            acceptResources=True,
            sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
        )
        try:
            self._provider.Configure(request, timeout=SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            self.close()
            raise self._failed("configure", None, error) from None

    def _ask(self, verb: str, resource: Resource, call: Any) -> Any:
        try:
            return call()
        except grpc.RpcError as error:
            raise self._failed(verb, resource, error) from None

    def _failed(self, verb: str, resource: Resource | None, error: Any) -> BackendError:
        what = f"{resource.type} {resource.name}" if resource else "its cluster"
        return BackendError(f"the plugin for {self._package} can't {verb} {what}: {redact(error.details() or '')}")


def _start(package: str, engine: str, environ: Mapping[str, str]) -> tuple[subprocess.Popen[str], int]:
    program = _program(package, environ)
    try:
        process = subprocess.Popen(
            [program, engine],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(f"{program} can't be run: {error.strerror}", hint="see `pulumi plugin ls`") from None
    line = process.stdout.readline().strip() if process.stdout else ""
    if not line.isdigit():
        process.kill()
        process.wait()
        raise BackendError(f"{program} ended before it said where it listens", hint="run `pulumi preview` to see why")
    return process, int(line)


def _program(package: str, environ: Mapping[str, str]) -> str:
    """Return the plugin that the engine would take: from PATH, else the newest that is installed."""
    name = f"pulumi-resource-{package}"
    for folder in environ.get("PATH", "").split(os.pathsep):
        path = Path(folder) / name
        if folder and path.is_file() and os.access(path, os.X_OK):
            return str(path)
    home = Path(environ.get("PULUMI_HOME") or Path(environ.get("HOME", "/")) / ".pulumi")
    installed = sorted((home / "plugins").glob(f"resource-{package}-v*/{name}"), key=lambda path: path.stat().st_mtime)
    if not installed:
        raise UsageError(f"there is no plugin {name}", hint='run `eval "$(uv run donvi lab env)"` first')
    return str(installed[-1])


def _name(request: Any, resource: Resource) -> None:
    """Say name and type beside the URN, where the protocol's version has them."""
    fields = request.DESCRIPTOR.fields_by_name
    if "name" in fields:
        request.name = resource.name
    if "type" in fields:
        request.type = resource.type


def _unready(error: Any) -> Any:
    """Return the resource that an error carries: it is there, only not healthy. ``None``: another error."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            found = provider_pb2.ErrorResourceInitFailed()
            if any(detail.Unpack(found) for detail in status.details):
                return found
    return None


def _properties(resource: Resource, real: Any, answer: Any) -> Iterator[PropertyChange]:
    inputs = _plain(real.inputs)
    if not answer.hasDetailedDiff:
        for name in answer.diffs:
            yield PropertyChange(name, "update", value_at(resource.inputs, name), value_at(inputs, name))
        return
    for path, detail in answer.detailedDiff.items():
        old, new = value_at(resource.inputs, path), value_at(inputs, path)
        yield PropertyChange(path, _KINDS[_INVERTED[detail.kind]], old, new)


def _plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Return a struct as JSON, whole numbers as such."""
    text = json_format.MessageToJson(struct, indent=None, preserving_proto_field_name=True)
    found: dict[str, Any] = json.loads(text, parse_float=_number)
    return found


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value
