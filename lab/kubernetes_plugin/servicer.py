"""The engine's protocol: translates messages and errors, decides nothing. Each call runs in a thread of its own."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, TypeVar

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]

from donvi.errors import DonviError, UsageError
from donvi.plugin.changes import property_diff
from donvi.plugin.process import Servicer
from donvi.plugin.proto import plugin_pb2, provider_pb2
from donvi.plugin.status import code_of, fail, fail_partially
from donvi.plugin.wire import decode, encode
from lab.kubernetes_plugin import VERSION, kubeconfig, resources
from lab.kubernetes_plugin.api import Api, Connections, Settings
from lab.kubernetes_plugin.paths import written
from lab.kubernetes_plugin.resources import Difference, Item, UnfinishedError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from donvi.plugin.engine import Engine

log = logging.getLogger(__name__)
M = TypeVar("M", bound="Callable[..., Any]")

ELSEWHERE = "the lab's stand-in for the Kubernetes plugin serves objects only; install the official plugin for this"


def answered(method: M) -> M:
    """Turn exceptions into what a person reads; anything unforeseen is a defect and named by its type only."""

    @functools.wraps(method)
    def call(self: KubernetesServicer, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except UnfinishedError as unfinished:
            made = unfinished.made
            fail_partially(
                context, id=made.id, inputs=made.inputs, properties=made.properties, reasons=unfinished.reasons
            )
        except DonviError as error:
            fail(context, code_of(error), str(error))
        except Exception as error:
            if context.code() is not None:  # already answered by abort
                raise
            log.exception("%s failed", method.__name__)
            what = f"a defect in the lab's Kubernetes plugin: {type(error).__name__}: {error}"
            fail(context, grpc.StatusCode.INTERNAL, what)

    return call  # type: ignore[return-value]


class KubernetesServicer(Servicer):
    """Serves one engine.

    :param connections: shared by the servicers of a process, with the environment that credential plugins inherit;
        closed by whoever made it.
    :param cancelled: set by the engine's Cancel and by a signal; waits stop then.
    :param engine: where lines for a person go.
    """

    def __init__(self, connections: Connections, cancelled: threading.Event, engine: Engine) -> None:
        self.connections = connections
        self.cancelled = cancelled
        self.engine = engine
        self.api = Api(Settings(), connections, cancelled)

    @answered
    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802 - names of the protocol
        """Learn the engine's address; secrets are taken and given as such."""
        self.engine.at(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    @answered
    def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Serve another engine, when the plugin was started beforehand."""
        self.engine.at(request.address)
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the version."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        """End all waits; what was applied is recorded as not ready."""
        self.cancelled.set()
        return empty_pb2.Empty()

    @answered
    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Name the package; its types are in the official SDK."""
        return provider_pb2.GetSchemaResponse(schema='{"name": "kubernetes", "version": "%s"}' % VERSION)  # noqa: UP031

    @answered
    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Accept the provider's configuration; keys that mean nothing here are kept and ignored."""
        return provider_pb2.CheckResponse(inputs=request.news)

    @answered
    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Replace the provider, and with it its resources, only when it points to another cluster."""
        old, new = decode(request.old_inputs) or decode(request.olds), decode(request.news)
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name) and name != "version")
        moves = _moves(old, new)
        replaces = [name for name in changed if name in moves]
        some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some if changed else none, diffs=changed, replaces=replaces)

    @answered
    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Remember where the cluster is; it is contacted when it is first needed."""
        settings = Settings.read(request.variables, self.connections.environ)
        self.api = Api(settings, self.connections, self.cancelled)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    @answered
    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse functions by name."""
        raise UsageError(f"{request.tok}: {ELSEWHERE}")

    @answered
    def Construct(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse components (charts, YAML files) by name."""
        raise UsageError(f"{request.type}: {ELSEWHERE}")

    @answered
    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Give an object its name and namespace."""
        news, olds = decode(request.news, secrets=True), decode(request.olds, secrets=True)
        naming = request.autonaming
        if naming.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE and request.HasField("autonaming"):
            naming.proposed_name = ""
        found = resources.check(
            self.api, self._item(request), news, olds, seed=request.randomSeed, proposed=naming.proposed_name
        )
        return provider_pb2.CheckResponse(inputs=encode(found))

    @answered
    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Say what changed."""
        olds, news = decode(request.olds, secrets=True), decode(request.news, secrets=True)
        old_inputs = decode(request.old_inputs, secrets=True)
        found = resources.diff(self.api, self._item(request), olds, old_inputs, news, ignored=request.ignoreChanges)
        return _diff_response(found)

    @answered
    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Make an object, or ask the API what it would make."""
        news, item = decode(request.properties, secrets=True), self._item(request)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(resources.preview_create(self.api, item, news)))
        made = resources.create(self.api, item, news)
        return provider_pb2.CreateResponse(id=made.id, properties=encode(made.properties))

    @answered
    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Bring an object to its new inputs, or ask the API what that would give."""
        olds, news = decode(request.olds, secrets=True), decode(request.news, secrets=True)
        item, ignored = self._item(request), list(request.ignoreChanges)
        if request.preview:
            known = resources.preview_update(self.api, item, olds, news, ignored)
            return provider_pb2.UpdateResponse(properties=encode(known))
        made = resources.update(self.api, item, olds, news, ignored)
        return provider_pb2.UpdateResponse(properties=encode(made.properties))

    @answered
    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Look at the live object; an empty id says that it is gone."""
        inputs, olds = decode(request.inputs, secrets=True), decode(request.properties, secrets=True)
        made = resources.read(self.api, self._item(request), inputs, olds)
        if made is None:
            return provider_pb2.ReadResponse(id="")
        return provider_pb2.ReadResponse(id=made.id, inputs=encode(made.inputs), properties=encode(made.properties))

    @answered
    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Delete the object and wait until it is gone."""
        olds, old_inputs = decode(request.properties, secrets=True), decode(request.old_inputs, secrets=True)
        resources.delete(self.api, self._item(request), olds, old_inputs)
        return empty_pb2.Empty()

    def close(self) -> None:
        """Nothing is open here but what is shared."""

    def _item(self, request: Any) -> Item:
        urn = request.urn
        return Item(
            urn=urn,
            token=request.type or urn.split("::")[2].rpartition("$")[2],
            id=getattr(request, "id", ""),
            timeout=getattr(request, "timeout", 0.0),
            status=lambda text: self.engine.status(urn, text),
            warn=lambda text: self.engine.warn(urn, text),
        )


def _moves(old: Mapping[str, Any], new: Mapping[str, Any]) -> frozenset[str]:
    """Return the properties whose change means another cluster; with an identifier that is the only one."""
    before, after = old.get("clusterIdentifier"), new.get("clusterIdentifier")
    if after and before:
        return frozenset({"clusterIdentifier"} if before != after else ())
    return frozenset({"kubeconfig", "context", "cluster"} if _moved(old, new) else ())


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Say whether two configurations point to different clusters; one that isn't known yet may."""

    def active(given: Mapping[str, Any]) -> Any:
        texts = {name: given.get(name, "") for name in ("kubeconfig", "context", "cluster")}
        if not all(isinstance(text, str) for text in texts.values()):
            return object()
        return kubeconfig.identity(texts["kubeconfig"], texts["context"], texts["cluster"])

    before, after = active(old), active(new)
    return before is not None and after is not None and before != after


def _diff_response(difference: Difference) -> Any:
    some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
    detailed = {
        written(path): property_diff(change, replaces=path in difference.replaces)
        for path, change in difference.changes.items()
    }
    return provider_pb2.DiffResponse(
        changes=some if difference.changes else none,
        replaces=sorted(written(path) for path in difference.replaces),
        diffs=sorted({str(path[0]) for path in difference.changes}),
        detailedDiff=detailed,
        hasDetailedDiff=True,
        deleteBeforeReplace=difference.delete_first,
    )
