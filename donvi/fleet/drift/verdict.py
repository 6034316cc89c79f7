"""What a refresh makes of a read: the engine's own rule (``RefreshStep`` in its source). Pure but for the read itself.

The engine reads a resource, then asks the provider for the difference with the real inputs as the old ones and the
declared as the new; there is drift if the provider says so. It shows that difference the other way round: an input that
is declared and really missing is one that a refresh *deletes*. Outputs that nobody declared (a key's latest version)
aren't compared. Only an external resource, a reference to another stack, is judged by its outputs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from donvi.fleet.drift.model import CHANGED, GONE
from donvi.fleet.model import Change, PropertyChange
from donvi.plugin.changes import Change as Kind
from donvi.provider.adapter import INCOMPLETE
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from donvi.fleet.drift.state import Resource
    from donvi.plugin.wire import Properties
    from donvi.provider.adapter import Adapter, Real
    from donvi.provider.difference import Difference

RENEWAL = "renewal"
_INVERTED = {Kind.ADD: "delete", Kind.DELETE: "add", Kind.UPDATE: "update"}


def read(adapter: Adapter, resource: Resource) -> tuple[Change | None, tuple[str, ...]]:
    """Read a resource of donvi's provider and judge it; returns the change, ``None`` if there is none, and notes.

    :raises DonviError: the real system can't be asked.
    """
    real = adapter.read(resource.type, resource.id, resource.inputs, resource.outputs)
    if real is None:
        return gone(resource), ()
    found = adapter.diff(resource.type, cast("Properties", dict(real.inputs)), _kept(real.properties), resource.inputs)
    return (changed(resource, real, found) if found.changes else None), real.notes


def gone(resource: Resource) -> Change:
    """Return the change of a resource that doesn't exist any more."""
    lost = (PropertyChange(name, "delete", text(value), None) for name, value in resource.inputs.items())
    return Change(GONE, resource.type, resource.urn, tuple(sorted(lost)))


def changed(resource: Resource, real: Real, found: Difference) -> Change:
    """Return the change of a resource that is there, but differs."""
    return Change(CHANGED, resource.type, resource.urn, tuple(sorted(_properties(resource, real, found))))


def external(resource: Resource, outputs: Mapping[str, Any]) -> Change | None:
    """Judge an external resource by its outputs alone."""
    changes = [
        PropertyChange(path, kind, *(None if value is None else text(value) for value in (old, new)))
        for path, kind, old, new in difference(resource.outputs, dict(outputs))
    ]
    return Change(CHANGED, resource.type, resource.urn, tuple(sorted(changes))) if changes else None


def difference(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, str, Any, Any]]:
    """Yield path, kind of change, old and new value of everything that differs below two values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            at = f"{path}.{name}" if path else name
            if name not in new:
                yield at, "delete", old[name], None
            elif name not in old:
                yield at, "add", None, new[name]
            else:
                yield from difference(old[name], new[name], at)
    elif old != new:
        yield path, "update", old, new


def text(value: Any) -> str:
    """Return a value as JSON, without what looks like a secret."""
    return redact(json.dumps(value, ensure_ascii=False, sort_keys=True))


def _properties(resource: Resource, real: Real, found: Difference) -> Iterator[PropertyChange]:
    for name, kind in found.properties.items():
        suffix = "-replace" if name in found.replaces else ""
        old, new = (text(held[name]) if name in held else None for held in (resource.inputs, real.inputs))
        yield PropertyChange(name, f"{_INVERTED[kind]}{suffix}", old, new)
    if found.unfinished is not None:
        yield PropertyChange(INCOMPLETE, "add", None, text(found.unfinished))
    if found.renewal is not None:
        yield PropertyChange(RENEWAL, "delete", None, text(found.renewal))


def _kept(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return properties as they come back from the wire, which drops absent ones."""
    return {name: value for name, value in properties.items() if value is not None}
