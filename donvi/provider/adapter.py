"""What the engine asks, answered with handlers; plain values in and out, no gRPC.

Rules that hold for every resource and live here only:

- **State** holds the inputs beside the computed outputs, because the engine passes old inputs to some calls only.
- **Unknown values** exist in previews only. A check then looks at the known properties one by one and leaves the
  handler's own check for the real run; a diff counts an unknown value as a change.
- **changedAt**, an output of every resource, is when donvi last created or updated the object (RFC 3339, UTC). A read
  keeps it, an import leaves it empty. What must run again after a repair (the verification) depends on it.
- **incomplete**, an output too, is why an operation stopped half-way. The engine remembers that by itself only until
  the next refresh; with it the following run finishes the resource all the same.
- **Backends are bounded**: never more operations of one backend at once than ``handler.BACKEND_LIMITS`` says.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from donvi.errors import DonviError, PartialError
from donvi.plugin.wire import UNKNOWN, has_unknown
from donvi.provider import decode
from donvi.provider.difference import Difference, compare
from donvi.provider.handler import BACKEND_LIMITS, DEFAULT_LIMIT, Failure, Handler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from donvi.plugin.wire import Properties, Value
    from donvi.provider.handler import JSON, Inputs, Registry, Result
    from donvi.provider.services import Services

CHANGED_AT = "changedAt"
INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Made:
    """A resource after create or update."""

    id: str
    properties: Mapping[str, Value | JSON]
    notes: tuple[str, ...] = ()


class Partial(Exception):  # noqa: N818 - what it carries is a resource, recorded as such
    """An operation stopped half-way: what exists, the inputs to record with it, and the reason in words."""

    def __init__(self, made: Made, inputs: Mapping[str, JSON], reason: str) -> None:
        super().__init__(reason)
        self.made = made
        self.inputs = inputs
        self.reason = reason


@dataclass(frozen=True)
class Real:
    """A resource as a read found it."""

    id: str
    inputs: Mapping[str, JSON]
    properties: Mapping[str, JSON]
    notes: tuple[str, ...] = ()


@dataclass
class Limits:
    """Free places at each backend; one object for a process, however many engines it serves."""

    _places: dict[str, threading.BoundedSemaphore] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def at(self, backend: str) -> threading.BoundedSemaphore:
        """Return the places at a backend."""
        with self._lock:
            most = BACKEND_LIMITS.get(backend, DEFAULT_LIMIT)
            return self._places.setdefault(backend, threading.BoundedSemaphore(most))


@dataclass
class Adapter:
    """Answers one engine; every method may run in several threads at once.

    :param registry: where handlers are found.
    :param services: made at the first operation that needs a real system, not for checks and diffs.
    :param limits: shared by all adapters of the process.
    """

    registry: Registry
    services: Callable[[], Services]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    limits: Limits = field(default_factory=Limits)

    def check(self, token: str, new: Properties) -> tuple[Properties, list[Failure]]:
        """Return the inputs in normal form, and what is wrong with them."""
        handler = self.registry.find(token)
        found = decode.failures(handler.inputs_type, new)
        if found:
            return new, found
        if has_unknown(new):
            return decode.normal(handler.inputs_type, new), []
        typed = decode.inputs(handler.inputs_type, new)
        return cast("Properties", decode.plain(typed)), list(handler.check(typed))

    def diff(self, token: str, old_inputs: Properties, old_state: Properties, new: Properties) -> Difference:
        """Say what changed, property by property, and whether that replaces the object."""
        handler = self.registry.find(token)
        old = decode.normal(handler.inputs_type, old_inputs or old_state)
        difference = compare(old, new, replace_on=handler.replace_on, same=handler.same)
        if difference.changes:
            return difference
        outputs = {name: cast("JSON", value) for name, value in old_state.items() if name not in new}
        if INCOMPLETE in outputs:
            return Difference(unfinished=str(outputs[INCOMPLETE]))
        return Difference(renewal=handler.renewal(outputs, self.services().clock()))

    def preview_create(self, new: Properties) -> Properties:
        """Return what a create is sure to have: its inputs. The SDK takes absent outputs as unknown."""
        return dict(new)

    def preview_update(self, token: str, old_state: Properties, new: Properties) -> Properties:
        """Return what an update is sure to have: the new inputs and the outputs that never change."""
        handler = self.registry.find(token)
        unchanged = {name: old_state[name] for name in handler.stable if name in old_state}
        volatile: Properties = {name: UNKNOWN for name in old_state if name not in new and name not in unchanged}
        own = {field.encode_name for field in decode.fields(handler.inputs_type)} | {INCOMPLETE}
        return {**{name: value for name, value in volatile.items() if name not in own}, **unchanged, **new}

    def preview_notes(self, token: str, old: Properties | None, new: Properties) -> list[str]:
        """Return what a preview has to say about the real object."""
        handler = self.registry.find(token)
        if type(handler).preview is Handler.preview:
            return []
        if has_unknown(new):
            return ["not checked: some of its inputs are known only when other changes are made"]
        typed = decode.inputs(handler.inputs_type, new)
        before = decode.stored(handler.inputs_type, old, fallback=typed) if old is not None else None
        with self._bounded(token) as services:
            return list(handler.preview(services, before, typed))

    def create(self, token: str, new: Properties) -> Made:
        """Make the object.

        :raises Partial: it stopped half-way; what exists must be recorded.
        """
        handler = self.registry.find(token)
        typed = decode.inputs(handler.inputs_type, new)
        return self._made(handler, typed, lambda services: handler.create(services, typed))

    def update(self, token: str, id: str, old: Properties, new: Properties) -> Made:
        """Bring the object to its new inputs.

        :raises Partial: it stopped half-way; what exists must be recorded.
        """
        handler = self.registry.find(token)
        typed = decode.inputs(handler.inputs_type, new)
        before = decode.stored(handler.inputs_type, old, fallback=typed)
        return self._made(handler, typed, lambda services: handler.update(services, id, before, typed))

    def read(self, token: str, id: str, inputs: Properties, state: Properties) -> Real | None:
        """Look at the real object; without inputs and state it is an import. ``None``: it is gone."""
        handler = self.registry.find(token)
        recorded = inputs or state
        known = decode.stored(handler.inputs_type, recorded) if recorded else None
        with self._bounded(token) as services:
            found = handler.read(services, id, known)
        if found is None:
            return None
        real = decode.plain(found.inputs)
        held = cast("dict[str, JSON]", {name: value for name, value in state.items() if name not in inputs})
        own = {name: held[name] for name in (CHANGED_AT, INCOMPLETE) if name in held}
        outputs = held if found.outputs is None else found.outputs
        return Real(found.id, real, {CHANGED_AT: "", **real, **outputs, **found.over, **own}, found.notes)

    def delete(self, token: str, id: str, old: Properties) -> None:
        """Remove or retire the object."""
        handler = self.registry.find(token)
        typed = decode.stored(handler.inputs_type, old)
        with self._bounded(token) as services:
            handler.delete(services, id, typed)

    def _made(self, handler: Handler[Any], typed: Inputs, operation: Callable[[Services], Result]) -> Made:
        properties = decode.plain(typed)
        with self._bounded(handler.token) as services:
            try:
                result = operation(services)
            except PartialError as error:
                outputs = cast("dict[str, JSON]", error.outputs)
                marks = {CHANGED_AT: self._stamp(), INCOMPLETE: error.message}
                raise Partial(
                    Made(error.identifier, {**properties, **outputs, **marks}), properties, str(error)
                ) from error
        return Made(result.id, {**properties, **result.outputs, CHANGED_AT: self._stamp()}, result.notes)

    def _stamp(self) -> str:
        return self.now().isoformat(timespec="microseconds").replace("+00:00", "Z")

    @contextmanager
    def _bounded(self, token: str) -> Iterator[Services]:
        """Wait for a free place at the token's backend, then yield the services."""
        with self.limits.at(token.split(":")[1]):
            services = self.services()
            if services.cancelled.is_set():
                raise DonviError("the run was interrupted before this operation began", hint="run it again")
            yield services
