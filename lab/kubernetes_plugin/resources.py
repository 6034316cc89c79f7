"""What the engine asks of one provider, answered in plain values; no gRPC.

State is the live object beside the inputs it was made of (``__inputs``), as the official plugin keeps it.

- **Diff** compares inputs. Only where they differ is the API asked, by a dry-run without force: a value that is merely
  spelled differently is no change, what the API calls immutable replaces the object. A preview without changes thus
  costs no request.
- **Read** says what of the declared fields is really different, so the following diff is the drift.
- **Create and update** apply, then wait until the object is ready; what isn't ready in time is recorded all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from donvi.errors import DonviError
from donvi.plugin.changes import Change
from donvi.plugin.wire import UNKNOWN, has_unknown
from donvi.redaction import conceal
from lab.kubernetes_plugin import difference, drift, kinds, naming, operations, ownership, waiting
from lab.kubernetes_plugin.deadline import DEFAULT_SECONDS, READ_SECONDS
from lab.kubernetes_plugin.errors import ApiError, NotReadyError, UnknownKindError
from lab.kubernetes_plugin.paths import MISSING, Path, at, parsed, within
from lab.kubernetes_plugin.values import (
    annotation,
    confidential,
    guarded,
    identifier,
    metadata,
    plain,
    secretly,
    spelled,
    split,
    state,
    text_of,
    wanted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from donvi.plugin.wire import Properties
    from lab.kubernetes_plugin.answers import Answer
    from lab.kubernetes_plugin.api import Api
    from lab.kubernetes_plugin.deadline import Deadline
    from lab.kubernetes_plugin.kinds import Kind


@dataclass(frozen=True)
class Item:
    """One resource as the engine names it.

    :param status: shows what it waits for; ``warn`` shows what the API warned of.
    """

    urn: str
    token: str
    id: str = ""
    timeout: float = 0.0
    status: Callable[[str], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None

    @property
    def kind(self) -> Kind:
        """The kind its token names; that of the object itself for a patch."""
        kind, _ = kinds.of_token(self.token)
        return kind

    @property
    def patch(self) -> bool:
        """Only some fields of somebody else's object are wanted."""
        return kinds.of_token(self.token)[1]


@dataclass(frozen=True)
class Difference:
    """What changed, and what of it replaces the object."""

    changes: Mapping[Path, Change]
    replaces: frozenset[Path] = frozenset()
    delete_first: bool = False


@dataclass(frozen=True)
class Made:
    """A resource to record."""

    id: str
    properties: Mapping[str, Any]
    inputs: Mapping[str, Any]


class UnfinishedError(Exception):
    """A resource exists and must be recorded, but isn't as it should be."""

    def __init__(self, made: Made, reasons: Sequence[str]) -> None:
        super().__init__(reasons[0])
        self.made = made
        self.reasons = list(reasons)


def check(api: Api, item: Item, news: Properties, olds: Properties, *, seed: bytes, proposed: str) -> Properties:
    """Return the inputs with a name and a namespace, and a ``Secret``'s values as secrets."""
    conceal(*confidential(guarded(news)))
    given = naming.named(news, olds, item.urn, seed, proposed)
    own = plain(given.get("metadata"))
    if isinstance(own, dict) and not own.get("namespace") and api.discovery.namespaced(item.kind):
        given = {**given, "metadata": secretly({**own, "namespace": api.namespace}, given.get("metadata"))}
    return guarded(given)


def diff(
    api: Api, item: Item, olds: Properties, old_inputs: Properties, news: Properties, *, ignored: Iterable[str]
) -> Difference:
    """Say what an update would change."""
    old, new = wanted(old_inputs or _inputs(olds)), wanted(news)
    left_alone = [parsed(path) for path in ignored]
    changes = {path: what for path, what in difference.compare(old, new) if not within(path, left_alone)}
    if not changes:
        return Difference({})
    fixed = difference.replacing(item.kind, new, api.settings.mutable) if not item.patch else _IDENTITY
    replaces = difference.replaces(changes, fixed)
    if not replaces and not has_unknown(news) and not item.patch:
        changes, replaces = _judged(api, item, olds, new, changes)
    return Difference(changes, frozenset(replaces), bool(replaces) and _same_place(new, olds))


def preview_create(api: Api, item: Item, news: Properties) -> Mapping[str, Any]:
    """Return what a create would give, as far as that is known: the API's own answer where it can say."""
    if has_unknown(news) or item.patch:
        return news
    value, manager = wanted(news), naming.field_manager(item.urn, {}, news)
    deadline = api.deadline(READ_SECONDS)
    try:
        found = api.find(item.kind, text_of(value, "namespace"), text_of(value, "name"), deadline)
        if found is not None and not _may_adopt(api, found, manager):
            return news
        answer = operations.foresee(api, item.kind, value, manager, deadline)
    except UnknownKindError:
        return news
    except ApiError as error:
        if error.namespace_missing or error.immutable or error.terminating:
            return news
        if error.without_rights:
            item.warn(f"not checked: {error}")
            return news
        raise
    return _foreseen(answer, news, manager, item)


def create(api: Api, item: Item, news: Properties) -> Made:
    """Make the object and wait until it is ready.

    :raises UnfinishedError: it is there but isn't ready.
    """
    conceal(*confidential(guarded(news)))
    value, manager = wanted(news), naming.field_manager(item.urn, {}, news)
    deadline = api.deadline(_seconds(item, value))
    answer = operations.create(api, item.kind, value, manager, deadline=deadline, tell=item.status, patch=item.patch)
    _warned(answer, item)
    if item.kind.name == "CustomResourceDefinition":
        api.discovery.forget()
    return _awaited(api, item, news, answer.body, manager=manager, deadline=deadline)


def preview_update(
    api: Api, item: Item, olds: Properties, news: Properties, ignored: Sequence[str]
) -> Mapping[str, Any]:
    """Return what an update would give, as far as that is known."""
    if has_unknown(news):
        return {**{key: UNKNOWN for key in ("status",) if key in olds}, **news}
    value, manager = wanted(news), naming.field_manager(item.urn, olds, news)
    deadline = api.deadline(READ_SECONDS)
    try:
        live = api.find(item.kind, text_of(value, "namespace"), text_of(value, "name"), deadline)
        if live is None:
            return news
        value = operations.without_ignored(value, live, manager, ignored)
        answer = operations.foresee(api, item.kind, value, manager, deadline)
    except UnknownKindError:
        return news
    except ApiError as error:
        if error.without_rights or error.immutable:
            item.warn(f"not checked: {error}")
            return news
        raise
    return _foreseen(answer, news, manager, item)


def update(api: Api, item: Item, olds: Properties, news: Properties, ignored: Sequence[str]) -> Made:
    """Bring the object to its new inputs and wait until it is ready.

    :raises UnfinishedError: it has the new inputs but isn't ready.
    """
    conceal(*confidential(guarded(news)))
    value, manager = wanted(news), naming.field_manager(item.urn, olds, news)
    deadline = api.deadline(_seconds(item, value))
    if item.patch:
        answer = operations.create(api, item.kind, value, manager, deadline=deadline, tell=item.status, patch=True)
    else:
        answer = operations.update(api, item.kind, value, manager, ignored=ignored, deadline=deadline)
    _warned(answer, item)
    return _awaited(api, item, news, answer.body, manager=manager, deadline=deadline)


def read(api: Api, item: Item, inputs: Properties, olds: Properties) -> Made | None:
    """Look at the live object, for a refresh or an import. ``None``: it is gone.

    :raises UnfinishedError: it is there but isn't ready.
    """
    namespace, name = split(item.id)
    deadline = api.deadline(item.timeout or READ_SECONDS)
    try:
        if not namespace and api.rest(item.kind).namespaced:
            namespace = text_of(inputs, "namespace") or api.namespace
        live = api.find(item.kind, namespace, name, deadline)
    except UnknownKindError:
        return None
    if live is None:
        return None
    recorded = inputs or _inputs(olds)
    manager = naming.field_manager(item.urn, olds, recorded)
    if recorded:
        found = operations.as_inputs(
            api, item.kind, wanted(recorded), live, before=plain(dict(olds)), manager=manager, patch=item.patch
        )
        found = guarded(secretly(spelled(found), recorded))
    else:
        found = guarded(spelled(drift.declared(live)))
    made = Made(item.id, state(live, found, manager), found)
    if recorded and not item.patch and (why := waiting.problems(api, item.kind, recorded, live, deadline)):
        raise UnfinishedError(made, why)
    return made


def delete(api: Api, item: Item, olds: Properties, old_inputs: Properties) -> None:
    """Delete the object and wait until it is gone."""
    inputs = wanted(old_inputs or _inputs(olds))
    namespace, name = split(item.id)
    value = {"kind": item.kind.name, "metadata": {"name": name, **({"namespace": namespace} if namespace else {})}}
    deadline = api.deadline(_seconds(item, inputs))
    if item.patch:
        operations.relinquish(api, item.kind, value, naming.field_manager(item.urn, olds, inputs), deadline)
    else:
        operations.delete(api, item.kind, value, inputs, deadline=deadline, tell=item.status)
    if item.kind.name == "CustomResourceDefinition":
        api.discovery.forget()


_IDENTITY = (("metadata", "name"), ("metadata", "namespace"))


def _judged(
    api: Api, item: Item, olds: Properties, new: dict[str, Any], changes: dict[Path, Change]
) -> tuple[dict[Path, Change], set[Path]]:
    """Return the changes that are ones to the API, and those it doesn't allow in place."""
    live, manager = wanted_live(olds), naming.field_manager(item.urn, olds, new)
    try:
        would_be = operations.foresee(api, item.kind, new, manager, api.deadline(READ_SECONDS)).body
    except ApiError as error:
        refused = [parsed(field) for field in error.immutable]
        blamed = {path for path in changes if within(path, refused) or any(within(one, [path]) for one in refused)}
        return changes, (blamed or set(changes)) if refused else set()
    except DonviError:
        return changes, set()
    return {path: what for path, what in changes.items() if _real(path, what, live, would_be, manager)}, set()


def _real(path: Path, what: Change, live: dict[str, Any], would_be: dict[str, Any], manager: str) -> bool:
    if what is Change.UPDATE:
        there = at(live, path)
        return there is MISSING or not difference.same(there, at(would_be, path))
    if what is Change.DELETE:  # applying lets go of a field; it can't take away what this resource never had
        own, hands = ownership.owned_by(live, manager), ownership.hands(live)
        return (own is None and not hands) or any(ownership.covers(fields, live, path) for fields in (own, hands))
    return True


def wanted_live(olds: Properties) -> dict[str, Any]:
    """Return the live object that the state holds."""
    return {key: value for key, value in plain(dict(olds)).items() if not key.startswith("__")}


def _same_place(new: dict[str, Any], olds: Properties) -> bool:
    """Say whether the new object would have the old one's name and namespace, so that the old one must go first."""
    kept = all(text_of(new, name) == text_of(olds, name) for name in ("name", "namespace"))
    return kept and not naming.is_autonamed(new)


def _may_adopt(api: Api, found: Mapping[str, Any], manager: str) -> bool:
    return api.settings.upsert or ownership.owned_by(found, manager) is not None


def _foreseen(answer: Answer, news: Properties, manager: str, item: Item) -> Mapping[str, Any]:
    _warned(answer, item)
    body = {key: value for key, value in answer.body.items() if key != "status"}
    own = {key: value for key, value in body["metadata"].items() if key in (metadata(news) or {}) or key == "namespace"}
    return state({**body, "metadata": own}, news, manager)


def _awaited(api: Api, item: Item, news: Properties, live: dict[str, Any], *, manager: str, deadline: Deadline) -> Made:
    try:
        live = waiting.ready(api, item.kind, plain(news), live, deadline=deadline, tell=item.status)
    except NotReadyError as error:
        made = Made(identifier(live), state(error.live, news, manager), guarded(news))
        raise UnfinishedError(made, error.reasons) from None
    except DonviError as error:
        made = Made(identifier(live), state(live, news, manager), guarded(news))
        raise UnfinishedError(made, [str(error)]) from None
    return Made(identifier(live), state(live, news, manager), guarded(news))


def _warned(answer: Answer, item: Item) -> None:
    for text in answer.warnings:
        item.warn(text)


def _seconds(item: Item, value: Mapping[str, Any]) -> float:
    given = annotation(value, "timeoutSeconds")
    return item.timeout or (float(given) if given.isdigit() else DEFAULT_SECONDS)


def _inputs(olds: Properties) -> Properties:
    found = plain(olds.get("__inputs"))
    return found if isinstance(found, dict) else {}
