"""A look's report as a page of text or Markdown. Pure; bounded, whatever drifted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from donvi.fleet.drift.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from donvi.fleet.drift.groups import Group
    from donvi.fleet.drift.model import Report, Unread
    from donvi.fleet.model import PropertyChange

WIDTH = 110
NAMED = 6
MOST_GROUPS = 40
MOST_UNREAD = 10
MOST_PROPERTIES = 8
MOST_NOTES = 6


def headline(report: Report, groups: Sequence[Group]) -> str:
    """Return the verdict in one sentence."""
    drifted = {one.stack for one in report.counted}
    several = sum(1 for group in groups if not group.rule)
    looked = f"{report.resources} resources of {count(len(report.stacks), 'stack')}"
    if report.outcome is Outcome.NONE:
        return f"No drift: {looked} are as declared."
    found = f"Drift in {count(len(drifted), 'stack')} of {len(report.stacks)}, {count(several, 'group')}"
    if report.outcome is Outcome.DRIFT:
        return f"{found}; {looked} looked at."
    unsure = {one.stack for one in report.unread}
    seen = f"{found}; " if drifted else ""
    return (
        f"{seen}{len(report.unread)} of {looked} couldn't be read, so there is no verdict on "
        f"{count(len(unsure), 'stack')}."
    )


def lines(report: Report, groups: Sequence[Group]) -> Iterator[str]:
    """Yield the page for a terminal."""
    yield headline(report, groups)
    counted, known = [g for g in groups if not g.rule], [g for g in groups if g.rule]
    for group in counted[:MOST_GROUPS]:
        yield ""
        yield from _group(group)
    if len(counted) > MOST_GROUPS:
        yield f"\n… and {count(len(counted) - MOST_GROUPS, 'group')} more; --json lists all"
    yield from _unread(report.unread)
    if known:
        yield "\nKnown, and not counted (docs/drift.md):"
        yield from (f"  {group.rule}: {_title(group)}, {_where(group)}" for group in known)
    for one in report.skipped:
        yield f"\nNot looked at: {one.count} × {one.kind}: {one.reason}"
    if report.notices:
        yield ""
        yield from (f"note: {notice}" for notice in report.notices)


def markdown(report: Report, groups: Sequence[Group], room: int = 60_000) -> str:
    """Return the page for a merge request or an issue, no longer than ``room`` characters."""
    parts = [f"### {headline(report, groups)}"]
    counted = [group for group in groups if not group.rule]
    if counted:
        parts.append("| | what | differs | where |\n|---|---|---|---|")
        rows = [_row(group) for group in counted]
        kept = _fitting(rows, room - 2000)
        parts[-1] = "\n".join([parts[-1], *rows[:kept]])
        if kept < len(rows):
            parts.append(f"… and {count(len(rows) - kept, 'group')} more; `donvi drift --json` lists all")
    if report.unread:
        parts.append("\n".join(["**Not read**", "", *(f"- {_cell(line.strip())}" for line in _reasons(report.unread))]))
    if known := [group for group in groups if group.rule]:
        parts.append("\n".join(["**Known**", "", *(f"- `{one.rule}`: {_title(one)}, {_where(one)}" for one in known)]))
    parts += [f"Not looked at: {one.count} × `{one.kind}`: {one.reason}" for one in report.skipped]
    return "\n\n".join(parts)[:room] + "\n"


def count(number: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def told(change: PropertyChange) -> str:
    """Return how one property differs: what is declared and isn't there, then what is there instead."""
    old, new = _parsed(change.old), _parsed(change.new)
    if isinstance(old, list) and isinstance(new, list):
        lost, more = [item for item in old if item not in new], [item for item in new if item not in old]
        parts = [*(f"− {_short(item)}" for item in lost), *(f"+ {_short(item)}" for item in more)]
        return ", ".join(parts[:NAMED]) + (f" and {len(parts) - NAMED} more" if len(parts) > NAMED else "")
    if change.old is None:
        return _short(new)
    if change.new is None:
        return f"{_short(old)} is missing"
    return f"{_short(old)} → {_short(new)}"


def _group(group: Group) -> Iterator[str]:
    yield f"{_sign(group)} {_title(group)}  ·  {_where(group)}"
    shown = group.change.properties[:MOST_PROPERTIES]
    for change in shown:
        yield _cut(f"    {change.path}: {'differs' if group.various else told(change)}")
    if more := len(group.change.properties) - len(shown):
        yield f"    … and {more} more"
    for note in [line for text in group.notes for line in text.splitlines()][:MOST_NOTES]:
        yield _cut(f"    | {note}")


def _sign(group: Group) -> str:
    return "−" if group.gone else "~"


def _title(group: Group) -> str:
    return f"{group.change.kind} {group.change.urn}{' is gone' if group.gone else ''}"


def _where(group: Group) -> str:
    units = f"{len(group.stacks)} stacks: " if len(group.stacks) > 1 else ""
    more = f" and {len(group.stacks) - NAMED} more" if len(group.stacks) > NAMED else ""
    resources = f", {group.resources} resources" if group.resources > len(group.stacks) else ""
    return f"{units}{', '.join(group.stacks[:NAMED])}{more}{resources}"


def _unread(unread: Sequence[Unread]) -> Iterator[str]:
    if unread:
        yield "\nNot read, so there is no verdict:"
        yield from _reasons(unread)


def _reasons(unread: Sequence[Unread]) -> Iterator[str]:
    """Yield the same reason once, with how many resources and stacks it is of."""
    found: dict[tuple[str, str, str], list[Unread]] = {}
    for one in unread:
        found.setdefault((one.kind, one.message, one.hint), []).append(one)
    for (kind, message, hint), members in list(found.items())[:MOST_UNREAD]:
        stacks = list(dict.fromkeys(one.stack for one in members))
        more = f" and {len(stacks) - NAMED} more" if len(stacks) > NAMED else ""
        where = f"{len(members)} × {kind} in {', '.join(stacks[:NAMED])}{more}"
        yield f"  {where}: {message}{f'. {hint}' if hint else ''}"
    if len(found) > MOST_UNREAD:
        yield f"  … and {len(found) - MOST_UNREAD} other reasons; --json lists all"


def _row(group: Group) -> str:
    differs = "<br>".join(
        _cell(_cut(f"{one.path}: {'differs' if group.various else told(one)}"))
        for one in group.change.properties[:MOST_PROPERTIES]
    )
    return f"| {_sign(group)} | `{group.change.kind}` {_cell(group.change.urn)} | {differs} | {_cell(_where(group))} |"


def _fitting(rows: Iterable[str], room: int) -> int:
    """Return how many rows fit into so many characters."""
    kept = 0
    for row in rows:
        room -= len(row) + 1
        if room < 0:
            break
        kept += 1
    return kept


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _parsed(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= WIDTH // 2 else f"{text[: WIDTH // 2 - 1]}…"


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH * 2 else f"{text[: WIDTH * 2 - 1]}…"
