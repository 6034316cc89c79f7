"""The same drift in many units, said once. Pure.

Each unit's own values are taken out first (:mod:`donvi.fleet.normalise`). Findings that are then alike make one group;
those that differ in nothing but the values of the same properties are put together too, without the values, if they
would otherwise stand alone.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from donvi.fleet.drift.model import GONE
from donvi.fleet.model import Change, PropertyChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from donvi.fleet.drift.model import Finding
    from donvi.fleet.normalise import Normaliser


class Group(msgspec.Struct, frozen=True):
    """Findings that are alike.

    :ivar change: in normal form, or as it is if it is the only one; ``urn`` is the name alone.
    :ivar stacks: sorted, each once.
    :ivar resources: how many resources, at least one of each stack.
    :ivar various: the values differ from one to the next and are left out.
    :ivar rule: by which it is known, "" when it counts.
    """

    change: Change
    stacks: tuple[str, ...]
    resources: int
    various: bool = False
    notes: tuple[str, ...] = ()
    rule: str = ""

    @property
    def gone(self) -> bool:
        """Whether the resources don't exist any more."""
        return self.change.op == GONE


def grouped(findings: Iterable[Finding], normaliser: Callable[[str], Normaliser]) -> tuple[Group, ...]:
    """Return the groups: those that count first, what is gone before what changed, large ones before small ones.

    :param normaliser: by stack.
    """
    exact: dict[tuple[Change, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        exact[normal(finding.change, normaliser(finding.stack)), finding.rule].append(finding)
    loose: dict[tuple[Change, str], list[tuple[Change, str]]] = defaultdict(list)
    groups = []
    for (change, rule), members in exact.items():
        if len({one.stack for one in members}) > 1:
            groups.append(_group(change, rule, members))
        else:
            loose[_without_values(change), rule].append((change, rule))
    for (change, rule), keys in loose.items():
        members = [one for key in keys for one in exact[key]]
        if len({one.stack for one in members}) > 1:
            groups.append(_group(change, rule, members, various=True))
        else:
            groups += [_alone(exact[key], key) for key in keys]
    return tuple(sorted(groups, key=_rank))


def _alone(members: Sequence[Finding], key: tuple[Change, str]) -> Group:
    """Return the group of one stack: a single resource is shown with the unit's own values."""
    change, rule = key
    if len(members) == 1:
        own = members[0].change
        properties = () if own.op == GONE else own.properties
        change = Change(own.op, own.kind, own.name, properties)
    return _group(change, rule, members)


def normal(change: Change, normaliser: Normaliser) -> Change:
    """Return a change without its unit's own values; ``urn`` becomes the name."""
    properties = tuple(
        PropertyChange(
            normaliser.name(one.path, change.kind),
            one.kind,
            _value(one.old, normaliser, change.kind, one.path),
            _value(one.new, normaliser, change.kind, one.path),
        )
        for one in (() if change.op == GONE else change.properties)
    )
    return Change(change.op, change.kind, normaliser.name(change.name, change.kind), properties)


def _value(text: str | None, normaliser: Normaliser, kind: str, path: str) -> str | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return normaliser.text(text)
    return json.dumps(normaliser.value(value, kind, path), ensure_ascii=False, sort_keys=True)


def _without_values(change: Change) -> Change:
    bare = tuple(PropertyChange(one.path, one.kind) for one in change.properties)
    return msgspec.structs.replace(change, properties=bare)


def _group(change: Change, rule: str, members: Sequence[Finding], *, various: bool = False) -> Group:
    notes = dict.fromkeys(note for one in members for note in one.notes) if not various else {}
    stacks = tuple(sorted({one.stack for one in members}))
    kept = tuple(notes) if len(stacks) == 1 else tuple(note for note in notes if note.startswith("rule "))
    return Group(change, stacks, len(members), various, kept, rule)


def _rank(group: Group) -> tuple[object, ...]:
    return (bool(group.rule), not group.gone, -len(group.stacks), group.change.kind, group.change.urn)
