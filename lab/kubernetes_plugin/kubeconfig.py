"""Reads a kubeconfig, given as text or as a path: one cluster, one user, nothing that isn't needed for a request."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from donvi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

HINT = "Give the provider a kubeconfig with a current context, a cluster and a user"


@dataclass(frozen=True, slots=True)
class Command:
    """A credential plugin: what to run for a client certificate or a token."""

    program: str
    arguments: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    api_version: str = "client.authentication.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class User:
    """How to authenticate: exactly one of a certificate with its key (PEM), a token, a command."""

    certificate: str = ""
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    command: Command | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the API server is, what signs its certificate, and where objects without a namespace go.

    :param authority: PEM; empty: the system's trust.
    :param server_name: the name its certificate must carry, when it isn't the address's.
    """

    server: str
    user: User
    authority: str = ""
    server_name: str = ""
    namespace: str = "default"


def identity(text: str, context: str = "", cluster: str = "") -> Mapping[str, Any] | None:
    """Return the active cluster's entry, by which a provider is told to point elsewhere; ``None`` if there is none."""
    try:
        config = _load(text)
        entry: Mapping[str, Any] = _named(config, "clusters", cluster or _context(config, context).get("cluster", ""))
    except UsageError:
        return None
    return entry


def read(text: str, context: str = "", cluster: str = "") -> Cluster:
    """Read a kubeconfig.

    :param text: YAML or JSON, or the path of a file that holds it.
    :param context: instead of the current one.
    :param cluster: instead of the context's.
    :raises UsageError: something needed is missing, or TLS verification is switched off.
    """
    config = _load(text)
    chosen = _context(config, context)
    entry = _named(config, "clusters", cluster or chosen.get("cluster", ""))
    server = str(entry.get("server", ""))
    if not server.startswith("https://") or entry.get("insecure-skip-tls-verify"):
        raise UsageError(
            f"the kubeconfig's cluster {server!r} isn't verified by TLS",
            hint="Use an https address and its certificate-authority-data",
        )
    return Cluster(
        server=server.rstrip("/"),
        user=_user(_named(config, "users", chosen.get("user", ""))),
        authority=_material(entry, "certificate-authority"),
        server_name=str(entry.get("tls-server-name", "")),
        namespace=str(chosen.get("namespace") or "default"),
    )


def _load(text: str) -> Mapping[str, Any]:
    content = text.strip()
    if content and not content.startswith("{") and "\n" not in content:
        try:
            content = Path(content).expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UsageError(f"the kubeconfig can't be read: {error.strerror}", hint=HINT) from None
    try:
        found = json.loads(content) if content.startswith("{") else _yaml(content)
    except ValueError:
        raise UsageError("the kubeconfig is neither YAML nor JSON", hint=HINT) from None
    if not isinstance(found, dict):
        raise UsageError("there is no kubeconfig", hint=HINT)
    return found


def _yaml(content: str) -> Any:
    import yaml  # slow to import, and the project's own kubeconfigs are JSON

    try:
        return yaml.safe_load(content)
    except yaml.YAMLError:
        raise ValueError from None


def _context(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _named(config, "contexts", name or config.get("current-context", ""))


def _named(config: Mapping[str, Any], section: str, name: str) -> Mapping[str, Any]:
    for item in config.get(section) or []:
        if item.get("name") == name:
            inner: Mapping[str, Any] = item.get(section.removesuffix("s")) or {}
            return inner
    raise UsageError(f"the kubeconfig has nothing called {name!r} among its {section}", hint=HINT)


def _user(entry: Mapping[str, Any]) -> User:
    if command := entry.get("exec"):
        environ = {item["name"]: item["value"] for item in command.get("env") or []}
        return User(
            command=Command(
                str(command["command"]), tuple(command.get("args") or ()), environ, str(command["apiVersion"])
            )
        )
    if "tokenFile" in entry:
        return User(token=Path(str(entry["tokenFile"])).read_text(encoding="utf-8").strip())
    if "token" in entry:
        return User(token=str(entry["token"]))
    certificate = _material(entry, "client-certificate")
    if not certificate:
        raise UsageError("the kubeconfig's user has neither exec, nor token, nor client certificate", hint=HINT)
    return User(certificate, _material(entry, "client-key"))


def _material(entry: Mapping[str, Any], name: str) -> str:
    """Return PEM that lies in the kubeconfig itself or in a file it names."""
    if data := entry.get(f"{name}-data"):
        try:
            return base64.b64decode(str(data), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise UsageError(f"the kubeconfig's {name}-data isn't base64 of PEM", hint=HINT) from None
    if path := entry.get(name):
        try:
            return Path(str(path)).read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"the kubeconfig's {name} can't be read: {error.strerror}", hint=HINT) from None
    return ""
