"""Equivalence classes of previews: 168 previews said in the few ways in which they differ. Pure.

Each unit's own values are taken out (:mod:`donvi.fleet.normalise`); stacks whose changes, policy verdicts and failures
are then the same make one class. A class that is small beside a similar larger one carries the difference, so that a
reader sees "these 3 changes in 167 units; 1 unit differs, here is how".
"""

from __future__ import annotations

import json
from collections import defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from donvi.fleet.model import QUIET, Change, Failure, Notice, PropertyChange, Result, Status
from donvi.fleet.normalise import Normalisers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from donvi.fleet.normalise import Normaliser
    from donvi.registry import City

COMPARED = 64
"""How many larger classes a class is compared with, at most, to find the nearest."""

GRAVITY = {"delete": 0, "replace": 1, "create": 2, "import": 2, "update": 3}
"""Order in which changes are shown: what can't be taken back first."""


class Difference(msgspec.Struct, frozen=True):
    """How a class differs from a larger one; all values in normal form.

    :param other: digest of the larger class; ``more`` only this class has, ``less`` only the other.
    :param otherwise: resources that change in both, but not alike: the other's change, then this one's.
    """

    other: str
    more: tuple[Change, ...] = ()
    less: tuple[Change, ...] = ()
    otherwise: tuple[tuple[Change, Change], ...] = ()


class Example(msgspec.Struct, frozen=True):
    """What the engine said of the first stack of a class, in the stack's own words."""

    changes: tuple[Change, ...] = ()
    notices: tuple[Notice, ...] = ()
    failure: Failure | None = None


class PreviewClass(msgspec.Struct, frozen=True):
    """Stacks whose previews are the same but for their own values.

    :param digest: SHA-256 of the normal form; the same for the same changes of other units, or another day.
    :param stacks: sorted; the first is as good an example as any.
    :param changes: in normal form, gravest first.
    :param notices: refusals and warnings, in normal form; what the engine merely informs about isn't compared.
    :param difference: against the nearest larger class, ``None`` when there is none to compare with.
    :param example: the first stack as it is, which says more when there is one stack only.
    """

    digest: str
    stacks: tuple[str, ...]
    status: Status
    changes: tuple[Change, ...] = ()
    notices: tuple[Notice, ...] = ()
    failure: Failure | None = None
    difference: Difference | None = None
    example: Example = Example()

    @property
    def quiet(self) -> bool:
        """Whether nothing would change and nothing is wrong."""
        return not self.changes and not self.notices and self.failure is None

    @property
    def refused(self) -> bool:
        """Whether a mandatory policy refuses it."""
        return self.status is Status.REFUSED or any(one.policy and one.severity == "error" for one in self.notices)

    @property
    def failed(self) -> bool:
        """Whether the preview itself didn't end well, for another reason than a policy."""
        return self.failure is not None and not self.refused

    def count(self, op: str) -> int:
        """How many resources of one stack this operation touches."""
        return sum(change.op == op for change in self.changes)


class Classes(msgspec.Struct, frozen=True):
    """All previews of a run.

    :param classes: refused and failed ones first, then what deletes or replaces, then by size; the quiet one last.
    :param digests: of every stack's own preview, not normalised: what an approval approves.
    """

    classes: tuple[PreviewClass, ...]
    digests: dict[str, str]

    @property
    def changing(self) -> tuple[PreviewClass, ...]:
        """The classes in which something changes or is wrong."""
        return tuple(one for one in self.classes if not one.quiet)

    @property
    def unchanged(self) -> tuple[str, ...]:
        """Stacks in which nothing would change."""
        return tuple(stack for one in self.classes if one.quiet for stack in one.stacks)

    def of(self, stack: str) -> PreviewClass | None:
        """Return the class of a stack, ``None`` if it wasn't previewed."""
        return next((one for one in self.classes if stack in one.stacks), None)


def classify(results: Iterable[Result], city: City) -> Classes:
    """Return the classes of a fleet's previews.

    :param city: by whose values the previews are normalised.
    """
    normalisers = Normalisers(city)
    groups: dict[str, list[Result]] = defaultdict(list)
    forms: dict[str, PreviewClass] = {}
    digests = {}
    for result in results:
        form = _normal(result, normalisers.of(result.stack))
        forms.setdefault(form.digest, form)
        groups[form.digest].append(result)
        digests[result.stack] = stack_digest(result)
    found = [_class(forms[digest], sorted(members, key=lambda one: one.stack)) for digest, members in groups.items()]
    compared = [msgspec.structs.replace(one, difference=nearest(one, found)) for one in found]
    return Classes(tuple(sorted(compared, key=_rank)), dict(sorted(digests.items())))


def stack_digest(result: Result) -> str:
    """SHA-256 of what a stack's preview would do, with the unit's own values.

    Two previews of the same program over the same state have the same; whatever changes besides makes another.
    """
    changes = sorted(result.changes, key=lambda change: (change.urn, change.op))
    return _digest([result.stack, result.status.value, msgspec.to_builtins(changes)])


def ordered(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return changes gravest first, then by type and name."""
    return tuple(sorted(changes, key=lambda one: (GRAVITY.get(one.op, len(GRAVITY)), one.kind, one.urn)))


def _class(form: PreviewClass, members: Sequence[Result]) -> PreviewClass:
    first = members[0]
    changes = ordered(change for change in first.changes if change.op not in QUIET)
    example = Example(changes, tuple(one for one in first.notices if one.severity != "info"), first.failure)
    return msgspec.structs.replace(form, stacks=tuple(one.stack for one in members), example=example)


def _normal(result: Result, normaliser: Normaliser) -> PreviewClass:
    changes = ordered(_change(change, normaliser) for change in result.changes if change.op not in QUIET)
    notices = sorted(
        (
            Notice(one.severity, normaliser.text(one.message), normaliser.text(one.urn), one.policy)
            for one in result.notices
            if one.severity != "info"
        ),
        key=lambda one: (one.severity, one.policy, one.urn, one.message),
    )
    failure = result.failure and Failure(
        result.failure.code, normaliser.text(result.failure.message), normaliser.text(result.failure.hint)
    )
    said = msgspec.to_builtins([result.status, changes, notices, failure])
    return PreviewClass(_digest(said), (), result.status, changes, tuple(notices), failure)


def _change(change: Change, unit: Normaliser) -> Change:
    normaliser = unit.about(change.urn)
    properties = tuple(
        PropertyChange(
            normaliser.name(one.path, change.kind),
            one.kind,
            _json(one.old, one.path, change.kind, normaliser),
            _json(one.new, one.path, change.kind, normaliser),
        )
        for one in change.properties
    )
    return Change(change.op, change.kind, normaliser.name(change.urn, change.kind), tuple(sorted(properties, key=_key)))


def _json(value: str | None, path: str, kind: str, normaliser: Normaliser) -> str | None:
    """Return the normal form of a value that is JSON, as JSON."""
    if value is None:
        return None
    try:
        decoded = json.loads(value)
    except ValueError:
        return normaliser.text(value)
    return json.dumps(normaliser.value(decoded, kind, path), ensure_ascii=False, sort_keys=True)


def _key(one: PropertyChange) -> tuple[str, ...]:
    return (one.path, one.kind, one.old or "", one.new or "")


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _rank(one: PreviewClass) -> tuple[Any, ...]:
    grave = min((GRAVITY.get(change.op, len(GRAVITY)) for change in one.changes), default=len(GRAVITY))
    return (one.quiet, not one.refused, not one.failed, grave > GRAVITY["replace"], -len(one.stacks), one.stacks)


def nearest(one: PreviewClass, among: Sequence[PreviewClass]) -> Difference | None:
    """Return how a class differs from the most similar larger one that changes something too.

    Nothing is compared with what it shares no change with: then everything is different, and is shown as it is.
    """
    if one.quiet:
        return None
    larger = sorted(
        (
            other
            for other in among
            if (len(other.stacks), other.digest) > (len(one.stacks), one.digest) and other.changes
        ),
        key=lambda other: (-len(other.stacks), other.digest),
    )[:COMPARED]
    mine = set(one.changes)
    best = min(larger, key=lambda other: len(mine ^ set(other.changes)), default=None)
    if best is None or (not mine & set(best.changes) and not {*_keys(one)} & {*_keys(best)}):
        return None
    return difference(best, one)


def difference(other: PreviewClass, one: PreviewClass) -> Difference:
    """Return what ``one`` does that ``other`` doesn't, and the reverse."""
    here, there = _keys(one), _keys(other)
    both = [key for key in here if key in there and here[key] != there[key]]
    return Difference(
        other.digest,
        more=tuple(change for key, change in here.items() if key not in there),
        less=tuple(change for key, change in there.items() if key not in here),
        otherwise=tuple((there[key], here[key]) for key in both),
    )


def _keys(one: PreviewClass) -> Mapping[tuple[str, str], Change]:
    """Return the changes by what identifies a resource in a stack."""
    return {(change.kind, change.urn): change for change in one.changes}
