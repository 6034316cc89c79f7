"""The register of drift that is known: whose noise it is, why it stays, and until when (``city/drift-rules.yaml``)."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - msgspec reads the annotations
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta, Struct

from donvi.registry.documents import read_document

if TYPE_CHECKING:
    from pathlib import Path

    from donvi.registry.documents import Document

FILE: Final = "drift-rules.yaml"
LONGEST_DAYS: Final = 180
"""From the day a rule was granted to its last day; whoever still needs it asks again."""

Word = Annotated[str, Meta(min_length=1, max_length=200)]
Pattern = Annotated[str, Meta(min_length=1, max_length=200, description="* stands for any characters, ? for one")]


class DriftRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Drift that is known and isn't counted while the rule is in force.

    :ivar kind: type token of the resources, e.g. ``donvi:mail:Mailbox``; may hold ``*``.
    :ivar name: logical name of the resources; may hold ``*``.
    :ivar properties: paths of properties that may differ; may hold ``*``. Any other that differs is counted.
    :ivar gone: whether the resource may also be missing.
    :ivar units: codes of units, or ``platform``; none is every unit.
    :ivar expires: the last day on which it is in force.
    """

    id: Annotated[str, Meta(pattern="^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
    kind: Pattern
    name: Pattern = "*"
    properties: tuple[Pattern, ...] = ()
    gone: bool = False
    units: tuple[Annotated[str, Meta(pattern="^([0-9]{5}|platform)$")], ...] = ()
    owner: Annotated[Word, Meta(description="who answers for it")]
    reason: Annotated[str, Meta(min_length=10, max_length=500, description="why it stays, and what is done about it")]
    granted: Annotated[date, Meta(description="YYYY-MM-DD")]
    expires: Annotated[date, Meta(description=f"YYYY-MM-DD, at most {LONGEST_DAYS} days after granted")]

    def about(self, unit: str, kind: str, name: str) -> bool:
        """Say whether it speaks of a resource, in force or not."""
        return (not self.units or unit in self.units) and fnmatchcase(kind, self.kind) and fnmatchcase(name, self.name)

    def explains(self, path: str) -> bool:
        """Say whether it speaks of a property."""
        return any(fnmatchcase(path, pattern) for pattern in self.properties)

    def in_force(self, today: date) -> bool:
        """Say whether it counts on a day; the first and the last day included."""
        return self.granted <= today <= self.expires


class DriftRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file ``drift-rules.yaml``."""

    rules: tuple[DriftRule, ...]


def read_drift_rules(path: Path) -> tuple[DriftRule, ...]:
    """Read the register; a city without the file has no rules.

    :raises DataError: with file, row and column: a wrong field, no property, an end too far away, an id twice.
    """
    if not path.is_file():
        return ()
    document = read_document(path)
    rules = document.parse(DriftRules).rules
    seen: set[str] = set()
    for number, rule in enumerate(rules):
        _check(document, f"$.rules[{number}]", rule, seen)
        seen.add(rule.id)
    return rules


def _check(document: Document, at: str, rule: DriftRule, seen: set[str]) -> None:
    if rule.id in seen:
        raise document.error(f"{at}.id", f"there is a rule {rule.id!r} above already", "give each its own id")
    if not rule.properties and not rule.gone:
        raise document.error(at, "the rule says neither which properties nor that it may be gone", "name properties")
    days = (rule.expires - rule.granted).days
    if days < 0:
        raise document.error(f"{at}.expires", "it ends before it was granted", "check the two dates")
    if days > LONGEST_DAYS:
        message = f"{days} days are more than a rule may last ({LONGEST_DAYS})"
        raise document.error(f"{at}.expires", message, "grant it for less; it can be granted again")
