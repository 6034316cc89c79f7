"""What is told of a fleet's previews, before it is Markdown or a screen: which lines, in which order, how long. Pure.

What can't be taken back is told first: refusals, failures, deletions, replacements. A class of one stack is told with
the stack's own values, a larger one in normal form, a class that resembles a larger one by what is different.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from donvi.fleet.classes import Classes  # noqa: TC001  # msgspec reads the report's types when it runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from donvi.fleet.classes import Difference, PreviewClass
    from donvi.fleet.model import Change, Notice, PropertyChange

SIGNS = {"create": "+", "delete": "-", "replace": "±", "update": "~", "import": "="}
VERBS = ("delete", "replace", "create", "import", "update")
SHORT = 8
"""Characters of a class's digest by which people name it."""

WIDEST = 160
"""Characters of a value that are shown; the rest is in the JSON."""

_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b")


class PreviewReport(msgspec.Struct, frozen=True):
    """A fleet's previews, with what was not previewed and why.

    :param names: stack to the unit's name, for people.
    :param unaffected: number of stacks that what changed can't touch, and the proof in a few words.
    :param receipts: number of stacks that weren't run because a receipt says they are unchanged.
    :param revision: what was previewed: commit, and ``+`` when the working tree differs.
    :param since: revision against which the affected stacks were chosen, empty when all were asked for.
    :param whole: where the whole is when this is cut: a command or an artifact.
    """

    classes: Classes
    names: dict[str, str] = {}
    unaffected: int = 0
    proof: str = ""
    receipts: int = 0
    revision: str = ""
    since: str = ""
    whole: str = "donvi preview … --json"
    seconds: float = 0.0

    @property
    def stacks(self) -> int:
        """How many stacks were previewed."""
        return len(self.classes.digests)


class Line(msgspec.Struct, frozen=True):
    """One line: ``sign`` is ``+``, ``-``, ``±``, ``~``, ``=``, ``!`` for what is wrong, or blank."""

    sign: str
    text: str


def summary(report: PreviewReport) -> str:
    """Return one sentence: how many change in how many ways, how many don't and how one knows."""
    changing = report.classes.changing
    parts = []
    refused = sum(len(one.stacks) for one in changing if one.refused)
    failed = sum(len(one.stacks) for one in changing if one.failed)
    rest = [one for one in changing if not one.refused and not one.failed and one.changes]
    warned = sum(len(one.stacks) for one in changing if not one.refused and not one.failed and not one.changes)
    if refused:
        parts.append(f"{refused} refused")
    if failed:
        parts.append(f"{failed} failed")
    if rest:
        ways = f" in {len(rest)} ways" if len(rest) > 1 else ""
        parts.append(f"{sum(len(one.stacks) for one in rest)} change{ways}")
    if warned:
        parts.append(f"{warned} unchanged with a warning")
    if report.classes.unchanged:
        parts.append(f"{len(report.classes.unchanged)} unchanged")
    if report.receipts:
        parts.append(f"{report.receipts} unchanged by receipt")
    if report.unaffected:
        parts.append(f"{report.unaffected} unaffected" + (f" (proved by {report.proof})" if report.proof else ""))
    return ", ".join(parts) or "no stack was previewed"


def counts(one: PreviewClass) -> list[tuple[str, int]]:
    """Return what happens in one stack of a class, gravest first."""
    return [(verb, one.count(verb)) for verb in VERBS if one.count(verb)]


def who(one: PreviewClass, report: PreviewReport, most: int = 3) -> str:
    """Return the stacks of a class for people: by name where they are few, by number where they are many."""
    if len(one.stacks) <= most:
        return ", ".join(label(stack, report) for stack in one.stacks)
    return number(len(one.stacks), "stack")


def label(stack: str, report: PreviewReport) -> str:
    """Return a stack as people know it: ``26506 Phường Vũng Tàu``."""
    name = report.names.get(stack)
    return f"{stack.partition('-')[0]} {name}" if name else stack


def wrong(one: PreviewClass) -> list[Line]:
    """Return what a policy, the engine or a provider has to say against a class, refusals first."""
    said = one.example if len(one.stacks) == 1 else one
    lines = [Line("!", _notice(notice)) for notice in said.notices if notice.severity == "error"]
    if said.failure and (one.failed or not lines):
        lines.append(Line("!", f"{said.failure.code}: {said.failure.message}"))
        if said.failure.hint:
            lines.append(Line(" ", f"  remedy: {said.failure.hint}"))
    return [*lines, *(Line("?", _notice(notice)) for notice in said.notices if notice.severity == "warning")]


def changes(one: PreviewClass) -> list[Line]:
    """Return the lines of what changes in every stack of a class; its own values where it is a single stack."""
    shown = one.example.changes if len(one.stacks) == 1 else one.changes
    return [line for change in shown for line in told(change)]


def differences(difference: Difference) -> list[Line]:
    """Return the lines of how a class differs from a larger one."""
    lines: list[Line] = []
    for change in difference.more:
        lines += told(change)
    for change in difference.less:
        lines.append(Line(" ", f"not: {SIGNS.get(change.op, '?')} {head(change)}"))
    for there, here in difference.otherwise:
        lines.append(Line(SIGNS.get(here.op, "?"), f"{head(here)}, otherwise"))
        lines += _otherwise(there, here)
    return lines


def told(change: Change) -> Iterator[Line]:
    """Yield the lines of one change: the resource, then its properties."""
    sign = SIGNS.get(change.op, "?")
    yield Line(sign, f"{change.op} {head(change)}")
    for one in change.properties:
        yield from _property(one)


def head(change: Change) -> str:
    """Return a resource as people know it: ``dns:RecordSet kho.‹domain›/A``."""
    return f"{token(change.kind)} {change.name}"


def token(kind: str) -> str:
    """Return a type token without what is always the same."""
    package, _, rest = kind.partition(":")
    if package == "kubernetes":
        return rest.rpartition(":")[2]
    return rest if package == "donvi" else kind


def shown(value: str | None, widest: int = WIDEST) -> str:
    """Return a JSON value on one line, texts without quotes, cut when it is long."""
    if value is None:
        return "–"
    try:
        decoded = json.loads(value)
    except ValueError:
        decoded = value
    text = decoded if isinstance(decoded, str) else json.dumps(decoded, ensure_ascii=False)
    text = _DIGEST.sub(r"\1…", " ".join(text.split())) if text else '""'
    return text if len(text) <= widest else f"{text[: widest - 2]} …"


def _property(one: PropertyChange) -> Iterator[Line]:
    kind = one.kind.removesuffix("-replace")
    forced = ", forces replacement" if one.kind.endswith("-replace") else ""
    if kind == "add":
        yield Line("+", f"  {one.path}: {shown(one.new)}{forced}")
    elif kind == "delete":
        yield Line("-", f"  {one.path}: {shown(one.old)}{forced}")
    elif (before := _lines(one.old)) and (after := _lines(one.new)):
        yield Line("~", f"  {one.path}:{forced}")
        yield from _compared(before, after)
    else:
        yield Line("~", f"  {one.path}: {shown(one.old)} → {shown(one.new)}{forced}")


def _otherwise(there: Change, here: Change) -> Iterator[Line]:
    """Yield what is different between the same resource's changes in two classes."""
    if there.op != here.op:
        yield Line(" ", f"  {here.op} here, {there.op} there")
    mine = {(one.path, one.kind): one for one in here.properties}
    theirs = {(one.path, one.kind): one for one in there.properties}
    for key in sorted({*mine, *theirs}):
        one, other = mine.get(key), theirs.get(key)
        if one == other:
            continue
        for side, here_value, there_value in (
            ("old", one.old if one else None, other.old if other else None),
            ("new", one.new if one else None, other.new if other else None),
        ):
            if here_value != there_value:
                before, after = _lines(there_value), _lines(here_value)
                yield Line("~", f"  {key[0]} ({side} value):")
                if before and after:
                    yield from _compared(before, after)
                else:
                    yield Line(" ", f"    there: {shown(there_value)}")
                    yield Line(" ", f"    here:  {shown(here_value)}")


def _compared(before: list[str], after: list[str]) -> Iterator[Line]:
    """Yield the lines of a text that differ."""
    for line in list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]:
        if not line.startswith("@@"):
            text = line[1:].strip()
            yield Line(line[0], f"    {text if len(text) <= WIDEST else text[: WIDEST - 2] + ' …'}")


def _lines(value: str | None) -> list[str]:
    """Return the lines of a value that is a text of several lines, else none."""
    if value is None or "\\n" not in value:
        return []
    try:
        decoded: Any = json.loads(value)
    except ValueError:
        return []
    return decoded.splitlines() if isinstance(decoded, str) else []


def _notice(notice: Notice) -> str:
    where = notice.urn.rpartition("::")[2]
    who = f"policy {notice.policy}" if notice.policy else "engine"
    return f"{who}{f' at {where}' if where else ''}: {' '.join(notice.message.split())}"


def number(count: int, noun: str) -> str:
    """Return a number of things: ``1 stack``, ``3 classes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{'es' if noun.endswith('s') else 's'}"


def cut(lines: Iterable[Line], most: int) -> list[Line]:
    """Return at most so many lines, the last of which says how many are left out."""
    every = list(lines)
    if len(every) <= most:
        return every
    return [*every[: most - 1], Line(" ", f"… {len(every) - most + 1} more lines")]
