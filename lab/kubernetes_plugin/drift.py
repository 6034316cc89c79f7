"""What a live object says of the inputs it was made of. Pure.

A field counts if the program declared it, or if somebody changed it by hand on an object that this resource applies.
What the server defaults, what controllers add and what other owners apply beside it is nobody's drift.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from lab.kubernetes_plugin import ownership
from lab.kubernetes_plugin.difference import same
from lab.kubernetes_plugin.values import SERVERS_OWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.kubernetes_plugin.ownership import Fields

_NOTHING: tuple[Any, ...] = (None, [], {}, "")
_UNTOUCHED = frozenset({"status", "apiVersion", "kind", *SERVERS_OWN})


def readable(inputs: Mapping[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """Return a live ``Secret`` with the texts the inputs gave as ``stringData``, which the API turns into ``data``."""
    texts, data = inputs.get("stringData"), live.get("data") or {}
    if not isinstance(texts, dict):
        return live
    found = {key: base64.b64decode(data[key]).decode(errors="replace") for key in texts if key in data}
    return {**live, "stringData": found}


def holds(inputs: Any, live: Any) -> bool:
    """Say whether the live value plainly has everything the inputs ask for; ``False`` may only be another spelling."""
    if isinstance(inputs, dict):
        if not isinstance(live, dict):
            return inputs == {} and live is None
        return all(holds(value, live.get(key)) for key, value in inputs.items())
    if isinstance(inputs, list):
        if not isinstance(live, list):
            return inputs == [] and live is None
        return len(inputs) == len(live) and all(holds(one, other) for one, other in zip(inputs, live, strict=True))
    return same(inputs, live)


def real(inputs: Mapping[str, Any], live: Mapping[str, Any], would_be: Mapping[str, Any], manager: str) -> Any:
    """Return the inputs with the live values where applying them would change something.

    :param would_be: the object as a dry-run of the inputs returns it.
    """
    fields = ownership.owned_by(would_be, manager)
    return _real(dict(inputs), dict(live), dict(would_be), fields, whole=False)


def added_by_hand(inputs: dict[str, Any], live: Mapping[str, Any], manager: str) -> dict[str, Any]:
    """Return the inputs with what a person added to the object; only if this resource ever applied it."""
    if ownership.owned_by(live, manager) is None:
        return inputs
    fields = ownership.hands(live)
    found: dict[str, Any] = _grafted(inputs, dict(live), fields)
    return found


def declared(live: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of an object that is imported: what was applied, else everything that isn't the server's."""
    fields = ownership.applied(live)
    value = ownership.selected(dict(live), fields) if fields else dict(live)
    identity = {key: live["metadata"][key] for key in ("name", "namespace") if key in live["metadata"]}
    noted = {key: item for key, item in (value.get("metadata") or {}).items() if key not in SERVERS_OWN}
    if notes := noted.get("annotations"):
        noted["annotations"] = {key: text for key, text in notes.items() if not key.startswith(_SERVERS_NOTES)}
        if not noted["annotations"]:
            del noted["annotations"]
    kept = {key: item for key, item in value.items() if key not in {"status", "metadata"}}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], **kept, "metadata": {**noted, **identity}}


_KUBECTLS_NOTES = "kubectl.kubernetes.io/"
_SERVERS_NOTES = ("deployment.kubernetes.io/", "kubectl.kubernetes.io/last-applied-configuration")


def _real(inputs: Any, live: Any, would_be: Any, fields: Fields | None, *, whole: bool) -> Any:
    if same(live, would_be) or (live in _NOTHING and would_be in _NOTHING):
        return inputs
    if isinstance(inputs, dict) and isinstance(live, dict) and isinstance(would_be, dict):
        return _real_map(inputs, live, would_be, fields, whole=whole or _is_leaf(fields))
    if isinstance(inputs, list) and isinstance(live, list) and isinstance(would_be, list):
        return _real_list(inputs, live, would_be, fields)
    return live


def _real_map(
    inputs: dict[str, Any], live: dict[str, Any], would_be: dict[str, Any], fields: Fields | None, *, whole: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in inputs.items():
        if key in live:
            found[key] = _real(value, live[key], would_be.get(key), ownership.below(fields, key), whole=whole)
        elif would_be.get(key) in _NOTHING:  # the API keeps no such field, as with stringData
            found[key] = value
    if whole:
        found |= {key: item for key, item in live.items() if key not in inputs and not same(item, would_be.get(key))}
    return found


def _real_list(inputs: list[Any], live: list[Any], would_be: list[Any], fields: Fields | None) -> list[Any]:
    keys = ownership.list_keys(fields or {})
    if keys:
        return _real_keyed(inputs, live, would_be, fields or {}, keys)
    if any(key.startswith("v:") for key in fields or {}):
        return [item for item in inputs if item in live]
    shared = min(len(inputs), len(live), len(would_be))
    first = [_real(inputs[at], live[at], would_be[at], None, whole=True) for at in range(shared)]
    return [*first, *live[shared:]]


def _real_keyed(
    inputs: list[Any], live: list[Any], would_be: list[Any], fields: Fields, keys: list[Fields]
) -> list[Any]:
    found = []
    for item in inputs:
        key = next((key for key in keys if _may_be(item, key)), None)
        there, wanted = _with(live, key), _with(would_be, key)
        if there is not None:
            below = next((value for name, value in fields.items() if name.startswith("k:") and _is(name, key)), None)
            found.append(_real(item, there, wanted, below, whole=False))
    return found


def _with(items: list[Any], key: Fields | None) -> Any:
    if key is None:
        return None
    return next((item for item in items if all(item.get(name) == value for name, value in key.items())), None)


def _may_be(item: Any, key: Fields) -> bool:
    """Say whether an input is the item with that key; inputs leave out keys that have defaults."""
    return isinstance(item, dict) and all(item.get(name, value) == value for name, value in key.items())


def _is(name: str, key: Fields | None) -> bool:
    return key is not None and ownership.list_keys({name: None}) == [key]


def _is_leaf(fields: Fields | None) -> bool:
    return fields is not None and not {key for key in fields if key != "."}


def _grafted(inputs: Any, live: Any, fields: Fields) -> Any:
    if isinstance(inputs, dict) and isinstance(live, dict):
        found = dict(inputs)
        for name, below in fields.items():
            key = name[2:]
            if not name.startswith("f:") or key in _UNTOUCHED or key.startswith(_KUBECTLS_NOTES) or key not in live:
                continue
            found[key] = (
                _grafted(inputs[key], live[key], below) if key in inputs else ownership.selected(live[key], below)
            )
        return found
    if isinstance(inputs, list) and isinstance(live, list):
        keys = [key for key in ownership.list_keys(fields) if not any(_may_be(item, key) for item in inputs)]
        return [*inputs, *(item for key in keys if (item := _with(live, key)) is not None)]
    return inputs
