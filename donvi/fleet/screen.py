"""A fleet's previews on one screen of a terminal. Pure but for rich's own types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from donvi.fleet import telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.fleet.classes import PreviewClass
    from donvi.fleet.telling import Line, PreviewReport

HEIGHT = 44
"""Lines of a screen, the prompt aside."""

LEAST = 4
"""Lines that a class gets at least, its title among them."""

_STYLES = {"+": "green", "-": "red", "±": "magenta", "~": "yellow", "!": "bold red", "?": "yellow", "=": "cyan"}


def screen(report: PreviewReport, *, height: int | None = HEIGHT, width: int = 120) -> Text:
    """Return what is shown.

    :param height: lines that it has at most; ``None`` shows everything.
    :param width: columns; what is longer is cut.
    """
    lines = list(_lines(report, height))
    out = Text()
    for number, (style, line) in enumerate(lines):
        shown = line if len(line) <= width else f"{line[: width - 1]}…"
        out.append(shown + ("\n" if number < len(lines) - 1 else ""), style or None)
    return out


def _lines(report: PreviewReport, height: int | None) -> Iterator[tuple[str, str]]:
    changing = report.classes.changing
    yield "bold", telling.summary(report)
    if not changing:
        return
    room = None if height is None else height - 2
    shown = changing if room is None else changing[: max(1, room // (LEAST + 1))]
    left = changing[len(shown) :]
    budgets = _budgets(shown, room)
    for one, budget in zip(shown, budgets, strict=True):
        yield "", ""
        yield from _class(one, report, budget)
    if left:
        yield "", f"… and {sum(len(one.stacks) for one in left)} stacks in {len(left)} more classes: {report.whole}"


def _budgets(shown: tuple[PreviewClass, ...], room: int | None) -> list[int | None]:
    """Share the lines out: everybody gets what is needed, the longest share what is left."""
    if room is None:
        return [None] * len(shown)
    needs = [len(list(_body(one))) + 2 for one in shown]
    budgets = [min(need, LEAST + 1) for need in needs]
    spare = room - sum(budgets)
    while spare > 0 and budgets != needs:
        for number, need in enumerate(needs):
            if budgets[number] < need and spare > 0:
                budgets[number] += 1
                spare -= 1
    return [budget - 1 for budget in budgets]


def _class(one: PreviewClass, report: PreviewReport, budget: int | None) -> Iterator[tuple[str, str]]:
    numbers = ", ".join(f"{count} to {verb}" for verb, count in telling.counts(one))
    like = f", like {one.difference.other[: telling.SHORT]} but for:" if one.difference else ""
    state = "refused" if one.refused else "failed" if one.failed else numbers or "a warning"
    yield "bold", f"{telling.who(one, report)} · {one.digest[: telling.SHORT]} · {state}{like}"
    body = list(_body(one))
    for line in body if budget is None else telling.cut(body, max(1, budget - 1)):
        yield _STYLES.get(line.sign, ""), f"  {line.sign} {line.text}"


def _body(one: PreviewClass) -> list[Line]:
    changed = telling.differences(one.difference) if one.difference else telling.changes(one)
    return [*telling.wrong(one), *changed]
