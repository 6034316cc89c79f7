"""What is done to one object: applied, updated, read back, deleted; always by one manager and never by force.

*By force* has two meanings here that differ. A field that another owner holds is never taken. What a person changed by
hand with ``kubectl`` is put right, as the official plugin does: its ownership is handed to this resource's manager
first, in one patch that fails if the object changed meanwhile.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from donvi.errors import BackendError
from lab.kubernetes_plugin import drift, ownership, waiting
from lab.kubernetes_plugin.answers import JSON_PATCH, Answer
from lab.kubernetes_plugin.deadline import READ_SECONDS
from lab.kubernetes_plugin.errors import (
    CONFLICT,
    NOT_FOUND,
    ApiError,
    UnknownKindError,
    conflict,
    exists,
    owner_of,
)
from lab.kubernetes_plugin.paths import MISSING, Path, at, parsed
from lab.kubernetes_plugin.values import annotation, identifier, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lab.kubernetes_plugin.api import Api
    from lab.kubernetes_plugin.deadline import Deadline
    from lab.kubernetes_plugin.kinds import Kind
    from lab.kubernetes_plugin.waiting import Tell

ORDER_SECONDS = 30.0
"""How long a namespace or a kind may be missing: a program may declare both without saying which comes first."""
ATTEMPTS = 5


def create(
    api: Api, kind: Kind, value: dict[str, Any], manager: str, *, deadline: Deadline, tell: Tell, patch: bool
) -> Answer:
    """Apply an object that isn't there, or that this very resource made before it was interrupted.

    :param patch: fields of an object that somebody else made are wanted, not an object.
    :raises ConflictError: it is there and somebody else made it, or owns one of its fields.
    """
    name, pause, patience = f"{kind.name} {identifier(value)}", 0.2, min(ORDER_SECONDS, deadline.left)
    end = deadline.left - patience
    while True:
        try:
            found = api.find(kind, text_of(value, "namespace"), text_of(value, "name"), deadline)
            if found is not None and "deletionTimestamp" in found["metadata"]:
                waiting.gone(api, kind, found, deadline, tell)
                continue
            if found is not None and not (patch or api.settings.upsert) and ownership.owned_by(found, manager) is None:
                raise exists(name)
            return apply(api, kind, value, manager, deadline)
        except (UnknownKindError, ApiError) as error:
            missing = isinstance(error, UnknownKindError) or error.status == NOT_FOUND
            if not missing or deadline.left <= end:
                raise
            tell(f"waiting: {error}")
            api.discovery.forget()
            deadline.sleep(pause)
            pause = min(pause * 2, 2.0)


def update(
    api: Api, kind: Kind, value: dict[str, Any], manager: str, *, ignored: Sequence[str], deadline: Deadline
) -> Answer:
    """Bring a live object to its new inputs.

    :param ignored: paths whose live values are left alone.
    :raises ConflictError: somebody else owns a field; it is named with its owner.
    :raises BackendError: the object is gone, or on its way.
    """
    for _ in range(ATTEMPTS):
        live = _present(api, kind, value, deadline)
        sent = without_ignored(value, live, manager, ignored)
        if (record := ownership.taken_over(live, manager)) is not None:
            try:
                _hand_over(api, kind, live, record, deadline)
            except ApiError as error:
                if error.status == CONFLICT:
                    continue
                raise
        return apply(api, kind, sent, manager, deadline)
    raise BackendError(f"{kind.name} {identifier(value)} changes all the time", hint="Find out who writes to it")


def foresee(api: Api, kind: Kind, value: dict[str, Any], manager: str, deadline: Deadline) -> Answer:
    """Return what applying would give, without doing it.

    :raises ConflictError: an owner that is no person's hand holds a field.
    """
    try:
        return api.apply(kind, value, manager, deadline, dry_run=True, force=_forced(api, value))
    except ApiError as error:
        if error.status != CONFLICT:
            raise
        owners = [owner_of(cause).strip('"') for cause in error.causes]
        if owners and all(owner.startswith(ownership.HANDS) for owner in owners):
            return api.apply(kind, value, manager, deadline, dry_run=True, force=True)
        raise conflict(f"{kind.name} {identifier(value)}", error) from None


def apply(api: Api, kind: Kind, value: Mapping[str, Any], manager: str, deadline: Deadline) -> Answer:
    """Apply, and name field and owner when somebody else holds it."""
    try:
        return api.apply(kind, value, manager, deadline, force=_forced(api, value))
    except ApiError as error:
        if error.status == CONFLICT and error.causes:
            raise conflict(f"{kind.name} {identifier(value)}", error) from None
        raise


def delete(
    api: Api, kind: Kind, value: Mapping[str, Any], inputs: Mapping[str, Any], *, deadline: Deadline, tell: Tell
) -> None:
    """Delete an object and wait until it is gone; one that isn't there is fine.

    :raises BackendError: the deadline passed; says what holds it.
    """
    policy = {"orphan": "Orphan", "background": "Background"}.get(
        annotation(inputs, "deletionPropagationPolicy").lower()
    )
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy or "Foreground"}
    try:
        live = api.find(kind, text_of(value, "namespace"), text_of(value, "name"), deadline)
        if live is None:
            return
        api.client.request("DELETE", api.place(kind, value), deadline, body=body)
    except UnknownKindError:
        return
    except ApiError as error:
        if error.status == NOT_FOUND:
            return
        raise
    if annotation(inputs, "skipAwait") != "true":
        waiting.gone(api, kind, live, deadline, tell)


def relinquish(api: Api, kind: Kind, value: Mapping[str, Any], manager: str, deadline: Deadline) -> None:
    """Let go of the fields of somebody else's object."""
    metadata = {key: value["metadata"][key] for key in ("name", "namespace") if key in value["metadata"]}
    bare = {"apiVersion": kind.api_version, "kind": value["kind"], "metadata": metadata}
    try:
        api.apply(kind, bare, manager, deadline)
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise


def as_inputs(
    api: Api,
    kind: Kind,
    inputs: dict[str, Any],
    live: dict[str, Any],
    *,
    before: Mapping[str, Any],
    manager: str,
    patch: bool,
) -> dict[str, Any]:
    """Return the inputs as the live object has them; exactly the inputs if nothing drifted.

    :param before: the object as it was recorded. Whoever changes a field takes it from this resource's manager, so an
        unchanged ownership record and the declared values being there prove that nothing drifted, without a dry-run.
    :param patch: what is added to the object beside this resource's fields is its owner's business.
    """
    found, seen = inputs, drift.readable(inputs, live)
    undisputed = ownership.owned_by(before, manager) == ownership.owned_by(live, manager)
    if not (undisputed and drift.holds(inputs, seen)):
        try:
            would_be = drift.readable(inputs, foresee_over(api, kind, inputs, manager))
        except (ApiError, UnknownKindError):
            would_be = inputs
        found = drift.real(inputs, seen, would_be, manager)
    return found if patch else drift.added_by_hand(found, seen, manager)


def foresee_over(api: Api, kind: Kind, value: dict[str, Any], manager: str) -> dict[str, Any]:
    """Return what the object would be if this resource had its way in every field; nothing is written."""
    deadline = api.deadline(READ_SECONDS)
    found: dict[str, Any] = api.apply(kind, value, manager, deadline, dry_run=True, force=True).body
    return found


def without_ignored(
    value: dict[str, Any], live: Mapping[str, Any], manager: str, ignored: Sequence[str]
) -> dict[str, Any]:
    """Return what to send when changes of some paths are ignored: another owner's fields left out, ours as they are."""
    if not ignored:
        return value
    sent: dict[str, Any] = json.loads(json.dumps(value))
    mine = ownership.owned_by(live, manager)
    for path in map(parsed, ignored):
        there = at(dict(live), path)
        if at(sent, path) is not MISSING:
            _put(sent, path, there if ownership.covers(mine, dict(live), path) else MISSING)
    return sent


def _put(value: Any, path: Path, new: Any) -> None:
    holder = at(value, path[:-1])
    if new is not MISSING:
        holder[path[-1]] = new
    elif isinstance(holder, dict):
        holder.pop(path[-1], None)


def _present(api: Api, kind: Kind, value: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
    live = api.find(kind, text_of(value, "namespace"), text_of(value, "name"), deadline)
    name = f"{kind.name} {identifier(value)}"
    if live is None:
        raise BackendError(f"{name} is gone", hint="Run `pulumi up --refresh`: it makes the object again")
    if "deletionTimestamp" in live["metadata"]:
        raise BackendError(
            f"{name} is being deleted: {waiting.held_by(live)}",
            hint="When it is gone, `pulumi up --refresh` makes it again",
        )
    return live


def _hand_over(api: Api, kind: Kind, live: Mapping[str, Any], record: list[dict[str, Any]], deadline: Deadline) -> None:
    version = live["metadata"]["resourceVersion"]
    body = [
        {"op": "replace", "path": "/metadata/managedFields", "value": record},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]
    api.client.request("PATCH", api.place(kind, live), deadline, body=body, content=JSON_PATCH)


def _forced(api: Api, value: Mapping[str, Any]) -> bool:
    """Say whether the program itself asks for force, by the official plugin's annotation or setting."""
    return api.settings.patch_force or annotation(value, "patchForce") == "true"
