"""The engine's gRPC protocol on top of the adapter: translates messages and errors, decides nothing.

It implements the wire protocol (``provider.proto`` of the Pulumi SDK) directly rather than through
``pulumi.provider.experimental``, whose value layer can't carry unknowns and integers and whose server runs everything
in one thread (docs/adr, "The provider's protocol"). Each method is called in a thread of its own.
"""

from __future__ import annotations

import functools
import logging
import threading
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]

from donvi.deployment import parse, text_from_environment
from donvi.errors import DonviError
from donvi.plugin.changes import property_diff
from donvi.plugin.process import Servicer
from donvi.plugin.proto import plugin_pb2, provider_pb2
from donvi.plugin.status import code_of, fail, fail_partially
from donvi.plugin.wire import decode, encode
from donvi.provider.adapter import INCOMPLETE, Adapter, Limits, Partial
from donvi.provider.services import Clients, Services
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from donvi.plugin.engine import Engine
    from donvi.provider.difference import Difference
    from donvi.provider.handler import Registry

log = logging.getLogger(__name__)
M = TypeVar("M", bound="Callable[..., Any]")
RENEWAL = "renewal"
"""The name under which a diff shows that an object is due although no input changed."""


def answered(method: M) -> M:
    """Turn exceptions into what a person reads: our errors with their hint, anything else as a defect with its type."""

    @functools.wraps(method)
    def call(self: ProviderServicer, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except Partial as partial:
            _fail_partially(context, partial)
        except DonviError as error:
            fail(context, code_of(error), str(error))
        except NotImplementedError:
            fail(context, grpc.StatusCode.UNIMPLEMENTED, f"{request.type} can't do that; see donvi/provider/handlers")
        except Exception as error:
            if context.code() is not None:  # already answered by abort
                raise
            log.exception("%s failed", method.__name__)
            fail(context, grpc.StatusCode.INTERNAL, f"a defect in donvi: {type(error).__name__}: {error}")

    return call  # type: ignore[return-value]


class Shared:
    """What the engines that one process serves have in common: connections by deployment, and free places."""

    def __init__(self) -> None:
        self.limits = Limits()
        self._clients: dict[str, Clients] = {}
        self._lock = threading.Lock()

    def clients(self, deployment: str) -> Clients:
        """Return the connections to the systems of a deployment, given as text."""
        with self._lock:
            return self._clients.setdefault(deployment, Clients())

    def close(self) -> None:
        """Close all connections."""
        for clients in self._clients.values():
            clients.close()


class ProviderServicer(Servicer):
    """Serves one engine; where and what it is told meets no other one.

    :param registry: where handlers are found.
    :param environ: the environment that services see.
    :param cancelled: set by the engine's Cancel and by a signal.
    :param engine: where lines for a person go.
    :param shared: in common with the servicers of other engines; closed by whoever made it.
    """

    def __init__(
        self,
        registry: Registry,
        version: str,
        environ: Mapping[str, str],
        cancelled: threading.Event,
        engine: Engine,
        *,
        shared: Shared | None = None,
    ) -> None:
        self.version = version
        self.environ = environ
        self.cancelled = cancelled
        self.engine = engine
        self._shared = shared
        self.adapter = Adapter(registry, self._services, limits=shared.limits if shared else Limits())
        self._deployment_text = ""
        self._made: Services | None = None
        self._making = threading.Lock()

    @answered
    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Learn the engine's address; the provider takes neither secrets, nor resource references, nor output values.

        Secrets off means: the engine strips them from what it sends and marks outputs again by name.
        """
        self.engine.at(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse()

    @answered
    def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Serve another engine, when the provider was started beforehand."""
        self.engine.at(request.address)
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802 - names of the protocol
        """Return the provider's version."""
        return plugin_pb2.PluginInfo(version=self.version)

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Begin nothing new; what runs is finished, so that the engine can record it."""
        self.cancelled.set()
        return empty_pb2.Empty()

    @answered
    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Accept the provider's configuration ``deployment``, refuse anything that isn't a deployment."""
        new = decode(request.news)
        text = new.get("deployment")
        failures = []
        if isinstance(text, str):
            try:
                parse(text)
            except DonviError as error:
                failures = [provider_pb2.CheckFailure(property="deployment", reason=str(error))]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @answered
    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Update the provider when the deployment changed, and replace nothing: the objects are the same ones."""
        old, new = decode(request.old_inputs) or decode(request.olds), decode(request.news)
        changed = [name for name in {*old, *new} if old.get(name) != new.get(name)]
        some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some if changed else none, diffs=sorted(changed))

    @answered
    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Remember where the systems are; without ``deployment`` (an import) the environment says it, when needed."""
        self._deployment_text = str(decode(request.args).get("deployment", ""))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @answered
    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Validate and normalise a resource's inputs."""
        inputs, failures = self.adapter.check(request.type, decode(request.news))
        found = [provider_pb2.CheckFailure(property=item.property, reason=redact(item.reason)) for item in failures]
        return provider_pb2.CheckResponse(inputs=encode(inputs), failures=found)

    @answered
    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Say what changed."""
        old_inputs, olds, news = decode(request.old_inputs), decode(request.olds), decode(request.news)
        difference = self.adapter.diff(request.type, old_inputs, olds, news)
        if difference.renewal is not None:
            self.engine.info(request.urn, difference.renewal)
        return _diff_response(difference)

    @answered
    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Make a resource, or say what a preview knows of it."""
        new = decode(request.properties)
        if request.preview:
            self._tell(request.urn, self.adapter.preview_notes(request.type, None, new))
            return provider_pb2.CreateResponse(properties=encode(self.adapter.preview_create(new)))
        made = self.adapter.create(request.type, new)
        self._tell(request.urn, made.notes)
        return provider_pb2.CreateResponse(id=made.id, properties=encode(made.properties))

    @answered
    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Bring a resource to its new inputs, or say what a preview knows of it."""
        old_inputs, olds, news = decode(request.old_inputs), decode(request.olds), decode(request.news)
        if request.preview:
            self._tell(request.urn, self.adapter.preview_notes(request.type, old_inputs or olds, news))
            known = self.adapter.preview_update(request.type, olds, news)
            return provider_pb2.UpdateResponse(properties=encode(known))
        made = self.adapter.update(request.type, request.id, old_inputs or olds, news)
        self._tell(request.urn, made.notes)
        return provider_pb2.UpdateResponse(properties=encode(made.properties))

    @answered
    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Look at the real object for a refresh or an import; an empty id says that it is gone."""
        real = self.adapter.read(request.type, request.id, decode(request.inputs), decode(request.properties))
        if real is None:
            return provider_pb2.ReadResponse(id="")
        self._tell(request.urn, real.notes)
        return provider_pb2.ReadResponse(id=real.id, inputs=encode(real.inputs), properties=encode(real.properties))

    @answered
    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Remove or retire a resource."""
        old = decode(request.old_inputs) or decode(request.properties)
        self.adapter.delete(request.type, request.id, old)
        return empty_pb2.Empty()

    def _tell(self, urn: str, notes: Sequence[str]) -> None:
        if notes:
            self.engine.info(urn, "\n".join(notes))

    def close(self) -> None:
        """Close the clients that were opened."""
        if self._made is not None:
            self._made.close()

    def _services(self) -> Services:
        with self._making:
            if self._made is None:
                text = self._deployment_text or text_from_environment(self.environ)
                clients = self._shared.clients(text) if self._shared else None
                self._made = Services(parse(text), self.environ, self.cancelled, clients)
            return self._made


def _diff_response(difference: Difference) -> Any:
    detailed = {
        name: property_diff(change, replaces=name in difference.replaces)
        for name, change in difference.properties.items()
    }
    if difference.unfinished is not None:
        detailed[INCOMPLETE] = provider_pb2.PropertyDiff(kind=provider_pb2.PropertyDiff.DELETE, inputDiff=False)
    if difference.renewal is not None:
        detailed[RENEWAL] = provider_pb2.PropertyDiff(kind=provider_pb2.PropertyDiff.ADD, inputDiff=False)
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if difference.changes else provider_pb2.DiffResponse.DIFF_NONE,
        replaces=list(difference.replaces),
        diffs=list(detailed),
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )


def _fail_partially(context: grpc.ServicerContext, partial: Partial) -> NoReturn:
    made = partial.made
    fail_partially(context, id=made.id, inputs=partial.inputs, properties=made.properties, reasons=[partial.reason])
