"""The register of waivers: who may break which rule where, why, and until when.

A waiver names a rule and a unit, a resource, or both; it has an owner and an end, at most 180 days after it was
granted. In force it turns a finding into a line that is shown; expired it fails with a message of its own.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Struct

from donvi.errors import DataError
from donvi.registry.documents import read_document
from donvi.registry.files import shown
from donvi.registry.lookup import closest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from donvi.registry.documents import Document
    from policies.model import Resource

FILE: Final = Path(__file__).with_name("waivers.yaml")
VARIABLE: Final = "DONVI_WAIVERS"
LONGEST_DAYS: Final = 180
"""From the day a waiver was granted to its last day; who still needs it asks again."""

Word = Annotated[str, Meta(min_length=1, max_length=200)]


class Waiver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the register.

    :param unit: code of a unit, or ``platform``; empty for any.
    :param resource: ``<type>::<name>``, the end of a URN; empty for any of the unit's.
    :param expires: the last day on which it is in force.
    """

    rule: Annotated[Word, Meta(description="id of the rule, see `donvi policy list`")]
    unit: Annotated[str, Meta(pattern="^([0-9]{5}|platform)?$", description="code of a unit, quoted, or platform")] = ""
    resource: Annotated[str, Meta(pattern="^([^:]+:.*::[^:]+)?$", description="<type>::<name>, the end of a URN")] = ""
    owner: Annotated[Word, Meta(description="who answers for it")]
    reason: Annotated[str, Meta(min_length=10, max_length=500, description="why, and what is done about it")]
    granted: Annotated[date, Meta(description="YYYY-MM-DD")]
    expires: Annotated[date, Meta(description=f"YYYY-MM-DD, at most {LONGEST_DAYS} days after granted")]

    def covers(self, rule: str, resource: Resource) -> bool:
        """Whether it speaks of this rule at this resource, in force or not."""
        return self.rule == rule and self.unit in {"", resource.owner} and self.resource in {"", resource.label}

    def in_force(self, today: date) -> bool:
        """Whether it counts on a day; the first and the last day included."""
        return self.granted <= today <= self.expires

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return today > self.expires

    @property
    def about(self) -> str:
        """Return where it applies, for people."""
        parts = [f"unit {self.unit}" if self.unit else "", self.resource]
        return f"{self.rule} for {', '.join(part for part in parts if part)}"


class Register(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file ``waivers.yaml``."""

    waivers: tuple[Waiver, ...]


def register_file(environ: Mapping[str, str] | None = None) -> Path:
    """Return the register's path: ``DONVI_WAIVERS``, else the pack's own."""
    chosen = (os.environ if environ is None else environ).get(VARIABLE, "")
    return Path(chosen) if chosen else FILE


def read_waivers(path: Path, rules: Collection[str]) -> tuple[Waiver, ...]:
    """Read the register.

    :param rules: ids that a waiver may name.
    :raises DataError: with file, row and column: an unknown rule, no place, an end too far away, two alike.
    """
    if not path.is_file():
        raise DataError("there is no such register of waivers", file=shown(path), hint=f"{VARIABLE} must name a file")
    document = read_document(path)
    waivers = document.parse(Register).waivers
    for number, waiver in enumerate(waivers):
        _check(document, f"$.waivers[{number}]", waiver, waivers[:number], rules)
    return waivers


def _check(document: Document, at: str, waiver: Waiver, before: Sequence[Waiver], rules: Collection[str]) -> None:
    if waiver.rule not in rules:
        near = closest(waiver.rule, rules)
        hint = f"did you mean {near[0]!r}?" if near else "`donvi policy list` shows the rules"
        raise document.error(f"{at}.rule", f"there is no rule {waiver.rule!r}", hint)
    if not waiver.unit and not waiver.resource:
        raise document.error(
            at, "a waiver needs a unit or a resource", "a rule isn't waived for everybody: change the rule"
        )
    days = (waiver.expires - waiver.granted).days
    if days < 0:
        raise document.error(f"{at}.expires", "it ends before it was granted", "check the two dates")
    if days > LONGEST_DAYS:
        message = f"{days} days are more than a waiver may last ({LONGEST_DAYS})"
        raise document.error(f"{at}.expires", message, "grant it for less; it can be granted again")
    for other in before:
        if (other.rule, other.unit, other.resource) == (waiver.rule, waiver.unit, waiver.resource):
            raise document.error(at, "a waiver for this rule and place stands above already", "keep one of the two")


def today(environ: Mapping[str, str] | None = None) -> date:
    """Return the current day in UTC, or that of ``DONVI_CLOCK`` (RFC 3339)."""
    injected = (os.environ if environ is None else environ).get("DONVI_CLOCK", "")
    return (datetime.fromisoformat(injected) if injected else datetime.now(UTC)).date()


def schema() -> str:
    """Return the JSON schema of the register's file, for editors."""
    import json

    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Register)}
    return json.dumps(found, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
