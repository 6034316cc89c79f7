"""A fleet's previews as the comment of a merge request: bounded, the gravest first. Pure.

GitHub takes 65,536 characters and GitLab 1 MB, both show ``<details>``; a comment that nobody scrolls through is
worth less than either, so it ends far below and says what it leaves out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from donvi.fleet import telling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.fleet.classes import PreviewClass
    from donvi.fleet.telling import Line, PreviewReport

MARK = "<!-- donvi preview -->"
"""First line of every comment: by it CI finds the one that it wrote before."""

LIMIT = 24_000
"""Characters, and with Vietnamese text less than twice as many bytes."""

OPEN_CLASSES = 2
"""How many classes are shown unfolded; the rest waits for a click."""

CLASS_LINES = 60
NAMED = 40
ROWS = 20
TYPES = 3
_SIGNS = {"±": "!", "~": "!", "?": "#", "=": "+"}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~])")


def markdown(report: PreviewReport, *, limit: int = LIMIT) -> str:
    """Return the comment.

    :param limit: characters that it has at most.
    """
    top = _top(report)
    parts = [_section(one, report, unfolded=n < OPEN_CLASSES) for n, one in enumerate(report.classes.changing)]
    end = _end(report)
    room = limit - len(top) - len(end) - 300  # the sentence about what is left out
    kept: list[str] = []
    left: list[PreviewClass] = []
    for one, part in zip(report.classes.changing, parts, strict=True):
        if not left and len(part) + 1 <= room:
            kept.append(part)
            room -= len(part) + 1
        else:
            left.append(one)
    if left:
        stacks = sum(len(one.stacks) for one in left)
        what = f"{telling.number(len(left), 'more class')}, {telling.number(stacks, 'stack')}"
        kept.append(f"**Left out here: {what}.** The whole: `{_code(report.whole)}`\n")
    return "\n".join([top, *kept, end])


def _top(report: PreviewReport) -> str:
    lines = [MARK, f"### donvi preview: {text(telling.summary(report))}", ""]
    changing = report.classes.changing
    if changing:
        lines += ["| class | stacks | delete | replace | create | update | what |", "|---|---|--:|--:|--:|--:|---|"]
        lines += [_row(one, report) for one in changing[:ROWS]]
        if more := changing[ROWS:]:
            stacks = sum(len(one.stacks) for one in more)
            lines.append(f"| … | {stacks} stacks in {len(more)} more classes | | | | | |")
        lines.append("")
    return "\n".join(lines)


def _row(one: PreviewClass, report: PreviewReport) -> str:
    numbers = dict(telling.counts(one))
    cells = [
        f"`{one.digest[: telling.SHORT]}`",
        text(telling.who(one, report)),
        *(f"**{numbers[verb]}**" if verb in numbers else "" for verb in ("delete", "replace")),
        str(numbers.get("create", 0) + numbers.get("import", 0) or ""),
        str(numbers.get("update", "")),
        text(_what(one)),
    ]
    return f"| {' | '.join(cells)} |"


def _what(one: PreviewClass) -> str:
    """Return a class in a few words: refused, failed, like another but for something, or the types it touches."""
    kinds = list(dict.fromkeys(telling.token(change.kind) for change in one.changes))
    types = ", ".join(kinds[:TYPES]) + (", …" if len(kinds) > TYPES else "")
    if one.refused:
        policies = sorted({notice.policy for notice in one.notices if notice.policy and notice.severity == "error"})
        return f"REFUSED by {', '.join(policies) or 'a policy'}"
    if one.failed and one.failure:
        return f"FAILED: {one.failure.code}"
    if one.difference:
        return f"differs from {one.difference.other[: telling.SHORT]}: {types}"
    return types or "a warning"


def _section(one: PreviewClass, report: PreviewReport, *, unfolded: bool) -> str:
    title = f"<b>{_html(telling.who(one, report))}</b> · class <code>{one.digest[: telling.SHORT]}</code>"
    body = []
    if wrong := telling.wrong(one):
        body += [*_fenced(telling.cut(wrong, CLASS_LINES)), ""]
    if one.difference:
        other, changed = f"class `{one.difference.other[: telling.SHORT]}`", telling.differences(one.difference)
        body += [f"Like {other}, but:" if changed else f"The changes are those of {other}.", ""]
    else:
        changed = telling.changes(one)
    if changed:
        body += [*_fenced(telling.cut(changed, CLASS_LINES)), ""]
    if len(one.stacks) > 1:
        body += [f"Stacks: {_named(one, report)}", ""]
    return "\n".join([f"<details{' open' if unfolded else ''}><summary>{title}</summary>", "", *body, "</details>", ""])


def _named(one: PreviewClass, report: PreviewReport) -> str:
    named = ", ".join(text(telling.label(stack, report)) for stack in one.stacks[:NAMED])
    return named + (f" and {len(one.stacks) - NAMED} more" if len(one.stacks) > NAMED else "")


def _fenced(lines: Iterable[Line]) -> list[str]:
    """Return lines as a ``diff`` block that nothing in them can end."""
    written = [f"{_SIGNS.get(line.sign, line.sign)} {line.text}" for line in lines]
    longest = max((len(run) for line in written for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}diff", *written, fence]


def _end(report: PreviewReport) -> str:
    parts = [f"`{_code(report.revision)}`" if report.revision else ""]
    parts += [f"against `{_code(report.since)}`" if report.since else ""]
    parts += [f"{telling.number(report.stacks, 'stack')} previewed in {report.seconds:.0f} s" if report.seconds else ""]
    parts += [
        "‹…› stands for each unit's own value" if any(len(one.stacks) > 1 for one in report.classes.changing) else ""
    ]
    said = " · ".join(part for part in parts if part)
    return f"<sub>{said}</sub>\n" if said else ""


def text(words: str) -> str:
    """Return words that Markdown shows as they are."""
    return _MARKUP.sub(r"\\\1", " ".join(words.split()))


def _code(words: str) -> str:
    return " ".join(words.split()).replace("`", "'")


def _html(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
