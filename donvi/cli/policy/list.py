"""``donvi policy list``: the rules and the register of waivers."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING

from msgspec import Struct

from donvi.cli.output import Json, console, print_json
from donvi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

EPILOG = """
Examples:

`donvi policy list` · every rule with its level and standard, and the waivers granted

`donvi policy list --json | jq -r '.rules[] | select(.subject == "identity") | .id'`

A wrong register ends with exit code 2, file, row and column.
"""


class RuleLine(Struct, frozen=True, kw_only=True):
    """One rule as ``--json`` prints it; ``looks_at`` are type tokens."""

    id: str
    subject: str
    level: str
    title_vi: str
    title_en: str
    reason: str
    remedy: str
    standard: str
    looks_at: tuple[str, ...]


class WaiverLine(Struct, frozen=True, kw_only=True):
    """One waiver; ``state`` is ``in force``, ``expired`` or ``not yet``."""

    rule: str
    unit: str
    resource: str
    owner: str
    reason: str
    granted: date
    expires: date
    state: str


class Policies(Struct, frozen=True, kw_only=True):
    """Everything the command shows."""

    rules: tuple[RuleLine, ...]
    waivers: tuple[WaiverLine, ...]


def list_(as_json: Json = False) -> None:  # noqa: FBT002  # typer's way of declaring a flag
    """Show every rule of the policy pack, and every waiver in the register with its owner and end."""
    found = _find()
    if as_json:
        print_json(found)
    else:
        _render(console(), found)


def _find() -> Policies:
    try:
        from policies.register import ALL, by_id
        from policies.waivers import read_waivers, register_file, today
    except ModuleNotFoundError:
        hint = "run it in a clone: `uv run donvi policy list`"
        raise UsageError("the policies are part of donvi's repository, not of its wheel", hint=hint) from None
    rules = tuple(
        RuleLine(
            id=rule.id,
            subject=rule.subject,
            level=rule.level.value,
            title_vi=rule.title.vi,
            title_en=rule.title.en,
            reason=rule.reason,
            remedy=rule.remedy,
            standard=rule.standard,
            looks_at=rule.looks_at,
        )
        for rule in ALL
    )
    day = today()
    waivers = tuple(
        WaiverLine(
            rule=one.rule,
            unit=one.unit,
            resource=one.resource,
            owner=one.owner,
            reason=one.reason,
            granted=one.granted,
            expires=one.expires,
            state="in force" if one.in_force(day) else "expired" if one.expired(day) else "not yet",
        )
        for one in read_waivers(register_file(), by_id())
    )
    return Policies(rules=rules, waivers=waivers)


def _render(out: Console, found: Policies) -> None:
    out.print(_rules(found.rules))
    if found.waivers:
        out.print(_waivers(found.waivers))
    else:
        out.print("No waivers.")


def _rules(rules: Sequence[RuleLine]) -> object:
    from rich.table import Table

    table = Table("rule", "level", "title", "standard", title="Rules", title_justify="left", box=None)
    for rule in rules:
        table.add_row(rule.id, rule.level, rule.title_vi, rule.standard)
    return table


def _waivers(waivers: Sequence[WaiverLine]) -> object:
    from rich.table import Table

    table = Table("rule", "for", "owner", "until", "state", "reason", title="Waivers", title_justify="left", box=None)
    for one in waivers:
        place = " ".join(part for part in (one.unit, one.resource) if part)
        table.add_row(one.rule, place, one.owner, one.expires.isoformat(), one.state, one.reason)
    return table
