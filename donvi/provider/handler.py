"""What a resource's handler is: one small class per token, registered by a decorator, knowing nothing of the engine.

::

    class GroupInputs(Inputs, kw_only=True, frozen=True):
        dn: str
        members: tuple[str, ...] = ()

    @handler("donvi:directory:Group", inputs=GroupInputs, replace_on={"dn"}, stable={"entryUuid"})
    class GroupHandler(Handler[GroupInputs]):
        def create(self, services: Services, new: GroupInputs) -> Result: ...

Handlers are plain synchronous code. The adapter calls them in threads, several at once, never more per backend than
:data:`BACKEND_LIMITS` says; a handler therefore keeps no state of its own. Everything that the engine does oddly
(unknown values, numbers, secrets, partial failures) is dealt with in ``adapter.py`` and ``wire.py``; a handler sees
typed values only.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec

from donvi.errors import UsageError
from donvi.plugin.wire import JSON as JSON  # noqa: PLC0414, TC001 - handlers take it from here

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from donvi.provider.services import Services

BACKEND_LIMITS: Mapping[str, int] = {
    "directory": 8,
    "mail": 8,
    "vault": 8,
    "pki": 4,
    "dns": 4,
    "verify": 2,
    "machine": 4,
    "kubernetes": 4,
}
"""How many operations of one backend run at once in a provider process; the backend is the middle of the token."""

DEFAULT_LIMIT = 8


class Inputs(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a program declares of a resource; subclasses add fields, and repeat ``frozen=True, kw_only=True``.

    Fields are snake_case here and camelCase on the wire. A list is declared as a ``tuple``: values are immutable.
    ``unit`` and ``key`` together are the owner mark that every real object carries.
    """

    unit: str
    """Official code of the unit, or ``platform``."""
    key: str
    """Logical id of the object inside the unit."""


@dataclass(frozen=True)
class Failure:
    """One input that a check refuses. ``property`` is in camelCase; ``reason`` ends with the remedy."""

    property: str
    reason: str


@dataclass(frozen=True)
class Result:
    """What create or update made: the resource id and the computed outputs only; the adapter adds the inputs.

    ``notes`` are lines to show a person beside the resource.
    """

    id: str
    outputs: dict[str, JSON] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What really exists: the inputs that would declare it as it is, and the computed outputs.

    ``outputs=None`` keeps the outputs that the state holds, but for those in ``over``. ``notes`` are lines to show a
    person beside the resource.
    """

    id: str
    inputs: Inputs
    outputs: dict[str, JSON] | None = field(default_factory=dict)
    over: dict[str, JSON] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


I = TypeVar("I", bound=Inputs)  # noqa: E741 - the name every handler's signature uses
H = TypeVar("H", bound="type[Handler[Any]]")


class Handler(Generic[I]):
    """Makes one kind of resource real.

    Every method may raise a :class:`donvi.errors.DonviError`; its message and hint reach the person. Operations
    converge: repeating one that was cut short ends in the same place.
    """

    token: ClassVar[str]
    inputs_type: ClassVar[type[Inputs]]
    replace_on: ClassVar[frozenset[str]]
    stable: ClassVar[frozenset[str]]

    def check(self, new: I) -> Iterable[Failure]:
        """Say what is wrong with the inputs. Pure; called only when every value is known."""
        return ()

    def create(self, services: Services, new: I) -> Result:
        """Make the object, or finish and adopt it when it exists with our own owner mark.

        :raises ConflictError: it exists with another mark or none.
        :raises PartialError: something was made but the rest failed; the engine records what exists.
        """
        raise NotImplementedError

    def read(self, services: Services, id: str, known: I | None) -> Found | None:
        """Look at the real object; ``None`` says that it is gone.

        :param known: what the state says was declared; ``None`` on import, where ``id`` alone must lead to the object.
        """
        raise NotImplementedError

    def update(self, services: Services, id: str, old: I, new: I) -> Result:
        """Bring the real object to ``new``; also called to finish a create that failed half-way.

        :raises PartialError: some of it was done; the next run goes on.
        """
        raise NotImplementedError

    def delete(self, services: Services, id: str, old: I) -> None:
        """Remove the object, or retire it where retention says so. An object that is gone already is success."""
        raise NotImplementedError

    def preview(self, services: Services, old: I | None, new: I) -> Iterable[str]:
        """Look at the real object for a preview with changes, and say what is found in short lines; usually nothing.

        Called only when every input is known. It must not change anything, and what can't be looked at is a line too.

        :param old: what the state holds; ``None`` when the object is to be made.
        """
        return ()

    def same(self, name: str, old: JSON, new: JSON) -> bool:
        """Say whether two known values of the camelCase input ``name`` mean the same; rarely overridden."""
        return old == new

    def renewal(self, old_outputs: Mapping[str, JSON], now: datetime) -> str | None:
        """Why the object needs an update although no input changed, as a sentence for the preview; usually ``None``."""
        return None


_registered: dict[str, Handler[Any]] = {}


def handler(
    token: str, *, inputs: type[Inputs], replace_on: Collection[str] = (), stable: Collection[str] = ()
) -> Callable[[H], H]:
    """Register a handler class for a resource token ``donvi:<module>:<Name>``.

    :param inputs: the type that the resource's inputs are decoded into.
    :param replace_on: camelCase inputs whose change replaces the object (a new one is made, then the old one deleted).
    :param stable: camelCase computed outputs that an update never changes; a preview keeps showing their values, all
        other computed outputs are unknown in the preview of an update.
    """

    def register(cls: H) -> H:
        wire_names = {f.encode_name for f in msgspec.structs.fields(inputs)}
        if stray := set(replace_on) - wire_names:
            msg = f"{token}: replace_on names {sorted(stray)}, which aren't inputs; write them in camelCase"
            raise TypeError(msg)
        cls.token = token
        cls.inputs_type = inputs
        cls.replace_on = frozenset(replace_on)
        cls.stable = frozenset(stable)
        _registered[token] = cls()
        return cls

    return register


class Registry:
    """Finds handlers by token, importing a subject's module when its first token is asked for.

    :param package: package whose module ``<subject>`` registers the handlers of tokens ``donvi:<subject>:*``.
    """

    def __init__(self, package: str = "donvi.provider.handlers") -> None:
        self.package = package

    def find(self, token: str) -> Handler[Any]:
        """Return the handler of a token.

        :raises UsageError: no handler of that name exists.
        """
        if token not in _registered:
            subject = token.split(":")[1] if token.count(":") == 2 else ""  # noqa: PLR2004 - donvi:<subject>:<Name>
            self._load(subject.split("/", maxsplit=1)[0])
        try:
            return _registered[token]
        except KeyError:
            raise UsageError(
                f"there is no resource type {token}", hint="see donvi/provider/resources.py for the types that exist"
            ) from None

    def _load(self, subject: str) -> None:
        module = f"{self.package}.{subject}"
        if not subject.isidentifier():
            return
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
