"""Who owns which field, as the API server records it (``metadata.managedFields``). Pure.

The record is a tree: ``f:name`` is a map's key, ``k:{…}`` a list's item by its keys, ``v:…`` an item by value, ``.``
the thing itself; a leaf is owned as a whole.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lab.kubernetes_plugin.paths import Path

Fields: TypeAlias = "dict[str, Any]"
HANDS = ("kubectl", "before-first-apply")
"""Begin the names of managers behind which a person's hand is; what they changed is put right, as the official plugin
does. Every other manager is a controller or another owner: it is named, never overruled."""
ITSELF = frozenset({"pulumi-kubernetes", "pulumi-kubernetes.exe", "pulumi-resource-kubernetes"})
"""The official plugin's managers before an object's first update; they only ever wrote what a program said."""


def by_hand(entry: Mapping[str, Any]) -> bool:
    """Say whether an entry was made by a person's tool, or by the official plugin's creation."""
    manager = str(entry.get("manager", ""))
    if entry.get("subresource") not in {None, "", "scale"}:
        return False
    return manager.startswith(HANDS) or (manager in ITSELF and entry.get("operation") == "Update")


def entries(live: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an object's ownership record."""
    found: list[dict[str, Any]] = (live.get("metadata") or {}).get("managedFields") or []
    return found


def owned_by(live: Mapping[str, Any], manager: str) -> Fields | None:
    """Return what a manager applied, ``None`` if it never did."""
    for entry in entries(live):
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return entry.get("fieldsV1") or {}
    return None


def hands(live: Mapping[str, Any]) -> Fields:
    """Return everything that was changed by hand."""
    merged: Fields = {}
    for entry in entries(live):
        if by_hand(entry):
            merged = merge(merged, entry.get("fieldsV1") or {})
    return merged


def applied(live: Mapping[str, Any]) -> Fields:
    """Return everything that somebody applied: the part of an object that was declared."""
    merged: Fields = {}
    for entry in entries(live):
        if entry.get("operation") == "Apply" and not entry.get("subresource"):
            merged = merge(merged, entry.get("fieldsV1") or {})
    return merged


def merge(one: Fields, other: Fields) -> Fields:
    """Return the union of two trees."""
    return {
        key: merge(one[key], other[key]) if key in one and key in other else (one.get(key) or other.get(key) or {})
        for key in {**one, **other}
    }


def taken_over(live: Mapping[str, Any], manager: str) -> list[dict[str, Any]] | None:
    """Return the record with everything that hands changed given to the manager; ``None`` if there is nothing."""
    old = entries(live)
    kept = [entry for entry in old if not by_hand(entry)]
    if len(kept) == len(old):
        return None
    mine = next((entry for entry in kept if _is_mine(entry, manager)), None)
    fields = merge((mine or {}).get("fieldsV1") or {}, hands(live))
    entry = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": live.get("apiVersion"),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return [*(item for item in kept if item is not mine), entry]


def selected(live: Any, fields: Fields) -> Any:
    """Return the part of a live value that the fields name; a leaf is taken whole."""
    inner = {key: value for key, value in fields.items() if key != "."}
    if not inner:
        return live
    if isinstance(live, dict):
        names = {key[2:]: value for key, value in inner.items() if key.startswith("f:")}
        return {key: selected(live[key], names[key]) for key in live if key in names}
    if isinstance(live, list):
        return [selected(item, below) for item, below in _items(live, inner)]
    return live


def covers(fields: Fields | None, live: Any, path: Path) -> bool:
    """Say whether the fields own what is at a path of the live object, or something below it."""
    for step in path:
        if fields is None:
            return False
        if not {key for key in fields if key != "."}:
            return True
        if isinstance(step, str) and isinstance(live, dict):
            fields, live = fields.get(f"f:{step}"), live.get(step)
        elif isinstance(step, int) and isinstance(live, list) and step < len(live):
            fields, live = _below(live[step], fields), live[step]
        else:
            return False
    return fields is not None


def list_keys(fields: Fields) -> list[Fields]:
    """Return the keys of a list's owned items, for example ``{"name": "web"}``; empty for a list owned whole."""
    return [json.loads(key[2:]) for key in fields if key.startswith("k:")]


def below(fields: Fields | None, step: str) -> Fields | None:
    """Return the tree below a map's key."""
    return None if fields is None else fields.get(f"f:{step}")


def _is_mine(entry: Mapping[str, Any], manager: str) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")


def _items(live: list[Any], fields: Fields) -> Iterator[tuple[Any, Fields]]:
    for item in live:
        found = _below(item, fields)
        if found is not None:
            yield item, found


def _below(item: Any, fields: Fields) -> Fields | None:
    for key, value in fields.items():
        if key.startswith("k:") and isinstance(item, dict):
            wanted = json.loads(key[2:])
            if all(item.get(name) == value for name, value in wanted.items()):
                found: Fields = value
                return found
        if key.startswith("v:") and json.loads(key[2:]) == item:
            return {}
    return None
