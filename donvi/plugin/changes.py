"""What happened to a property, and how the engine is told."""

from __future__ import annotations

from enum import Enum
from typing import Any

from donvi.plugin.proto import provider_pb2


class Change(Enum):
    """What happened to one property."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


_PLAIN = {
    Change.ADD: provider_pb2.PropertyDiff.ADD,
    Change.DELETE: provider_pb2.PropertyDiff.DELETE,
    Change.UPDATE: provider_pb2.PropertyDiff.UPDATE,
}
_REPLACING = {
    Change.ADD: provider_pb2.PropertyDiff.ADD_REPLACE,
    Change.DELETE: provider_pb2.PropertyDiff.DELETE_REPLACE,
    Change.UPDATE: provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def property_diff(change: Change, *, replaces: bool) -> Any:
    """Return a changed input as the engine reads it.

    :param replaces: whether the change replaces the object.
    """
    return provider_pb2.PropertyDiff(kind=(_REPLACING if replaces else _PLAIN)[change], inputDiff=True)
