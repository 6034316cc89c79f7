"""What stacks declare, read from their checkpoints.

The engine's file backend keeps one JSON file per stack and replaces it in one step, so a file that is read while
somebody writes is the one before or the one after. Another backend is asked by ``pulumi stack export``, which takes a
second for each stack. Values that the engine encrypted stay out: drift needs none of them, and what can't be compared
for that is said.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

from donvi.errors import EngineError, UsageError
from donvi.fleet.locks import backend_folder
from donvi.plugin.wire import SECRET, SIGNATURE
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

PROJECT = "donvi"
PROVIDER = "pulumi:providers:"
REFERENCE = "pulumi:pulumi:StackReference"
ROOT = "pulumi:pulumi:Stack"
ATTEMPTS, PAUSE = 50, 0.02


class Resource(msgspec.Struct, frozen=True, rename="camel"):
    """A resource as the checkpoint holds it, secrets left out.

    :ivar provider: ``<urn>::<id>`` of the provider that made it; "" for a component.
    :ivar hidden: names of properties that hold a secret and were left out.
    """

    urn: str
    type: str
    id: str = ""
    custom: bool = False
    external: bool = False
    delete: bool = False
    pending_replacement: bool = False
    view_of: str = ""
    provider: str = ""
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    hidden: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its logical name."""
        return self.urn.rpartition("::")[2]

    @property
    def read(self) -> bool:
        """Whether a refresh asks a provider for it; the engine's own rule (``RefreshStep`` in its source)."""
        return self.custom and not self.type.startswith(PROVIDER) and not self.pending_replacement and not self.view_of


class _Deployment(msgspec.Struct, frozen=True):
    resources: list[Resource] = []


class _Checkpoint(msgspec.Struct, frozen=True):
    latest: _Deployment | None = None


class _File(msgspec.Struct, frozen=True):
    checkpoint: _Checkpoint


class _Export(msgspec.Struct, frozen=True):
    deployment: _Deployment


@dataclass(frozen=True)
class Stack:
    """What one stack declares."""

    name: str
    resources: tuple[Resource, ...]

    def provider(self, resource: Resource) -> Resource | None:
        """Return the provider that made a resource, as the checkpoint holds it."""
        urn = resource.provider.rpartition("::")[0]
        return next((one for one in self.resources if one.urn == urn and not one.delete), None)

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The stack's own outputs."""
        return next((one.outputs for one in self.resources if one.type == ROOT), {})


class State:
    """The state of one project's stacks.

    :param environ: names the backend (``PULUMI_BACKEND_URL``).
    """

    def __init__(self, environ: Mapping[str, str], project: str = PROJECT) -> None:
        self._environ = dict(environ)
        self._project = project

    def stacks(self) -> list[str]:
        """Return the names of all stacks that exist, sorted.

        :raises UsageError: the backend isn't local files; then name the stacks.
        """
        found = self._folder().glob("*.json*")
        return sorted({path.name.partition(".json")[0] for path in found if path.suffix in {".json", ".gz"}})

    def read(self, name: str) -> Stack:
        """Return what a stack declares.

        :raises UsageError: there is no such stack.
        :raises EngineError: its checkpoint can't be read.
        """
        url = self._environ.get("PULUMI_BACKEND_URL", "")
        text = self._local(name) if not url or url.startswith("file:") else None
        resources = self._exported(name) if text is None else _decoded(name, text)
        return Stack(name, tuple(map(_without_secrets, resources)))

    def _folder(self) -> Path:
        return backend_folder(self._environ) / ".pulumi/stacks" / self._project

    def _local(self, name: str) -> bytes:
        folder = self._folder()
        for _ in range(ATTEMPTS):
            try:
                return (folder / f"{name}.json").read_bytes()
            except FileNotFoundError:
                if not (folder / f"{name}.json.bak").exists():
                    break
                time.sleep(PAUSE)  # a writer has moved the old one aside and not yet put the new one in its place
        if (folder / f"{name}.json.gz").exists():
            raise UsageError(f"the state of stack {name} is compressed", hint="write it plain, or use another backend")
        raise UsageError(f"there is no stack {name}", hint=f"`pulumi up -s {name}` makes it")

    def _exported(self, name: str) -> list[Resource]:
        command = ["pulumi", "stack", "export", "--stack", f"organization/{self._project}/{name}"]
        try:
            done = subprocess.run(
                [*command, "--non-interactive"], env=self._environ, capture_output=True, check=False, text=True
            )
        except FileNotFoundError:
            raise UsageError("pulumi is not on PATH", hint='run `eval "$(uv run donvi lab env)"` first') from None
        if done.returncode != 0:
            told = redact(" ".join(done.stderr.split()))
            raise EngineError(f"the state of stack {name} can't be exported: {told}", hint="see `pulumi stack ls`")
        return msgspec.json.decode(done.stdout, type=_Export).deployment.resources


def _decoded(name: str, text: bytes) -> list[Resource]:
    try:
        latest = msgspec.json.decode(text, type=_File).checkpoint.latest
    except msgspec.DecodeError as error:
        raise EngineError(
            f"the checkpoint of stack {name} isn't one: {error}", hint=f"`donvi unlock {name}` mends what a kill left"
        ) from None
    return latest.resources if latest else []


def _without_secrets(resource: Resource) -> Resource:
    found = sorted({name for held in (resource.inputs, resource.outputs) for name in _secret_names(held)})
    if not found:
        return resource
    inputs, outputs = (
        {name: value for name, value in held.items() if name not in found}
        for held in (resource.inputs, resource.outputs)
    )
    return msgspec.structs.replace(resource, inputs=inputs, outputs=outputs, hidden=tuple(found))


def _secret_names(held: Mapping[str, Any]) -> Iterator[str]:
    return (name for name, value in held.items() if _has_secret(value))


def _has_secret(value: object) -> bool:
    if isinstance(value, dict):
        return value.get(SIGNATURE) == SECRET or any(map(_has_secret, cast("Iterable[object]", value.values())))
    return isinstance(value, list) and any(map(_has_secret, value))
