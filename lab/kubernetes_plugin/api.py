"""One configured cluster: where it is, how objects are read, applied and found there."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.kubernetes_plugin import kubeconfig
from lab.kubernetes_plugin.answers import APPLY, Answer
from lab.kubernetes_plugin.deadline import READ_SECONDS, Deadline
from lab.kubernetes_plugin.difference import Mutable
from lab.kubernetes_plugin.errors import NOT_FOUND, ApiError
from lab.kubernetes_plugin.kinds import Discovery
from lab.kubernetes_plugin.values import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.kubernetes_plugin.client import Client
    from lab.kubernetes_plugin.kinds import Kind, Rest

PREFIX = "kubernetes:config:"


@dataclass(frozen=True, slots=True)
class Settings:
    """The provider's configuration, as far as it is served here; the rest is ignored.

    :param namespace: for objects that name none; empty: the kubeconfig's.
    """

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    patch_force: bool = False
    upsert: bool = False
    mutable: Mutable = field(default_factory=Mutable)

    @classmethod
    def read(cls, variables: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
        """Read what the engine sends at Configure."""

        def text(name: str) -> str:
            return variables.get(PREFIX + name, "")

        def switch(name: str) -> bool:
            return text(name).lower() == "true"

        return cls(
            kubeconfig=text("kubeconfig") or environ.get("KUBECONFIG", ""),
            context=text("context"),
            cluster=text("cluster"),
            namespace=text("namespace"),
            patch_force=switch("enablePatchForce"),
            upsert=switch("upsertExistingObjects"),
            mutable=Mutable(switch("enableConfigMapMutable"), switch("enableSecretMutable")),
        )


@dataclass
class Connections:
    """The connections of one process, by the settings of whoever needs one; each logs in once."""

    environ: Mapping[str, str]
    _clients: dict[Settings, Client] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def to(self, settings: Settings, cluster: kubeconfig.Cluster) -> Client:
        """Return the connection to a cluster."""
        from lab.kubernetes_plugin.client import Client  # a run without changes needs no HTTP library
        from lab.kubernetes_plugin.credentials import Credentials

        with self._lock:
            if settings not in self._clients:
                credentials = Credentials(cluster, self.environ)
                self._clients[settings] = Client(cluster.server, credentials, cluster.server_name)
            return self._clients[settings]

    def close(self) -> None:
        """Close them all."""
        for client in self._clients.values():
            client.close()


@dataclass
class Api:
    """The API server of one provider; connects when it is first needed."""

    settings: Settings
    connections: Connections
    cancelled: threading.Event
    discovery: Discovery = field(init=False)
    _cluster: kubeconfig.Cluster | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.discovery = Discovery(lambda path: self.client.get(path, self.deadline(READ_SECONDS)))

    @property
    def cluster(self) -> kubeconfig.Cluster:
        """The kubeconfig's active cluster.

        :raises UsageError: the kubeconfig can't be used.
        """
        with self._lock:
            if self._cluster is None:
                given = self.settings
                self._cluster = kubeconfig.read(given.kubeconfig, given.context, given.cluster)
            return self._cluster

    @property
    def client(self) -> Client:
        """The connection."""
        return self.connections.to(self.settings, self.cluster)

    @property
    def namespace(self) -> str:
        """Where objects go that name no namespace."""
        return self.settings.namespace or self.cluster.namespace

    def deadline(self, seconds: float) -> Deadline:
        """Begin an operation that may take so long."""
        return Deadline(seconds, self.cancelled)

    def place(self, kind: Kind, value: Mapping[str, Any]) -> str:
        """Return an object's path.

        :raises UnknownKindError: the server doesn't have the kind.
        """
        return self.discovery.find(kind).object(text_of(value, "namespace"), text_of(value, "name"))

    def find(self, kind: Kind, namespace: str, name: str, deadline: Deadline) -> dict[str, Any] | None:
        """Return a live object, ``None`` if there is none."""
        try:
            found: dict[str, Any] = self.client.get(self.discovery.find(kind).object(namespace, name), deadline)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return found

    def items(self, path: str, deadline: Deadline, **query: str) -> list[dict[str, Any]]:
        """Return the objects of a collection; none if they may not be read: they only explain things."""
        try:
            return self.client.get(path, deadline, query).get("items") or []
        except ApiError:
            return []

    def apply(
        self,
        kind: Kind,
        value: Mapping[str, Any],
        manager: str,
        deadline: Deadline,
        *,
        dry_run: bool = False,
        force: bool = False,
    ) -> Answer:
        """Apply an object on the server's side.

        :raises ApiError: refused; 409 when somebody else owns a field.
        """
        query = {"fieldManager": manager, "fieldValidation": "Warn", "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        path = self.place(kind, value)
        return self.client.request("PATCH", path, deadline, query=query, body=dict(value), content=APPLY)

    def rest(self, kind: Kind) -> Rest:
        """Return where a kind's objects are."""
        return self.discovery.find(kind)
