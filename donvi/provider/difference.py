"""Compares a resource's old and new inputs, property by property; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from donvi.plugin.changes import Change
from donvi.plugin.wire import has_unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from donvi.plugin.wire import Properties


@dataclass(frozen=True)
class Difference:
    """What a diff found.

    :param properties: the changed properties and how each changed.
    :param replaces: those whose change replaces the object.
    :param renewal: why the object needs an update although no property changed.
    :param unfinished: why the last operation stopped half-way, which this run finishes.
    """

    properties: Mapping[str, Change] = field(default_factory=dict)
    replaces: Collection[str] = ()
    renewal: str | None = None
    unfinished: str | None = None

    @property
    def changes(self) -> bool:
        """Whether the engine has anything to do."""
        return bool(self.properties) or self.renewal is not None or self.unfinished is not None


def compare(
    old: Properties,
    new: Properties,
    *,
    replace_on: Collection[str],
    same: Callable[[str, Any, Any], bool],
) -> Difference:
    """Compare property maps in normal form. An unknown new value counts as changed.

    :param same: whether two known values of the named property mean the same.
    """
    changed: dict[str, Change] = {}
    for name in [*new, *(name for name in old if name not in new)]:
        if name not in old:
            changed[name] = Change.ADD
        elif name not in new:
            changed[name] = Change.DELETE
        elif has_unknown(new[name]) or not same(name, old[name], new[name]):
            changed[name] = Change.UPDATE
    return Difference(changed, [name for name in changed if name in replace_on])
