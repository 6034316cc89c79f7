"""What reviewers read: the comment of a merge request and the screen, as golden files.

``DONVI_REWRITE=1 pytest tests/unit/fleet/test_preview_reports.py`` writes them again; a person reads the difference.
"""

from __future__ import annotations

import io
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from donvi.fleet.classes import classify
from donvi.fleet.markdown import LIMIT, MARK, markdown
from donvi.fleet.model import Failure, Notice, Result, Status
from donvi.fleet.screen import HEIGHT, screen
from donvi.fleet.telling import PreviewReport
from donvi.registry import load_city
from tests.support.previews import created, deleted, fleet, previewed, three_changes, updated

GOLDEN = Path(__file__).with_name("golden")
GITHUB = 65_536


@cache
def _city() -> Any:
    return load_city(Path(__file__).parents[3] / "city")


@cache
def alike() -> tuple[Result, ...]:
    return tuple(fleet(_city(), three_changes))


def report(results: list[Result], **more: Any) -> PreviewReport:
    names = {result.stack: _city().units[result.stack[:5]].name for result in results if result.stack != "platform"}
    return PreviewReport(classify(results, _city()), names, revision="3f2c1ab", seconds=52.0, **more)


def all_sorts() -> list[Result]:
    """168 units: a refusal, a failure, a deletion, a neighbour's address, and everybody else alike."""
    results = list(alike())
    renamed = results[5].changes[0]
    wrong = tuple(
        msgspec.structs.replace(one, new='["10.1.0.1"]') if one.path == "values" else one for one in renamed.properties
    )
    results[5] = msgspec.structs.replace(
        results[5], changes=(msgspec.structs.replace(renamed, properties=wrong), *results[5].changes[1:])
    )
    gone = deleted(results[9].stack, "donvi:mail:Mailbox", "cu@ben-cat.tphcm.test", quotaMb=1024)
    results[9] = msgspec.structs.replace(results[9], changes=(*results[9].changes, gone))
    told = Notice("error", "an image is named by its digest", results[10].changes[0].urn, "image-by-digest")
    results[10] = msgspec.structs.replace(results[10], status=Status.REFUSED, notices=(told,))
    failure = Failure("engine", "nobody answers at 10.0.1.10:636", "is the lab up? `donvi lab status`")
    results[11] = previewed(results[11].stack, status=Status.FAILED, failure=failure)
    return results


def one_alias() -> list[Result]:
    """One unit's data was edited."""
    stack = "26506-vung-tau"
    return [
        previewed(
            stack,
            created(stack, "donvi:mail:Alias", "hoidap@vung-tau.tphcm.test", target="vanthu@vung-tau.tphcm.test"),
            updated(stack, "donvi:verify:Verification", "verification", "digest", "0" * 64, "1" * 64),
        )
    ]


REPORTS = {
    "all-sorts": lambda: report(all_sorts()),
    "one-alias": lambda: report(
        one_alias(), unaffected=167, proof="equal descriptions and the same program", since="HEAD"
    ),
    "nothing": lambda: report([previewed(result.stack) for result in alike()]),
}


def shown(given: PreviewReport) -> str:
    console = Console(width=120, color_system=None, record=True, file=io.StringIO())
    console.print(screen(given))
    return "\n".join(line.rstrip() for line in console.export_text().splitlines()) + "\n"


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize(("ending", "render"), [("md", markdown), ("txt", shown)])
def test_the_report_is_the_one_a_person_approved(name: str, ending: str, render: Any) -> None:
    given = render(REPORTS[name]())
    path = GOLDEN / f"preview-{name}.{ending}"
    if os.environ.get("DONVI_REWRITE"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(given, encoding="utf-8")
    assert given == path.read_text(encoding="utf-8")


def many_sorts(stacks: int) -> list[Result]:
    """The worst: every unit differs from every other in many long ways."""
    return [
        msgspec.structs.replace(
            result,
            changes=tuple(
                created(result.stack, "donvi:mail:Alias", f"{n}-{m}", text="ữ" * 3000, number=n * m) for m in range(80)
            ),
        )
        for n, result in enumerate(alike()[:stacks])
    ]


def test_a_comment_is_bounded_and_says_what_it_leaves_out() -> None:
    given = markdown(report(many_sorts(60), whole="preview.json of the job"))
    assert len(given) <= LIMIT
    assert len(given.encode()) < GITHUB
    left = re.search(r"Left out here: (\d+) more classes, (\d+) stacks", given)
    assert left is not None
    assert given.count("<details") + int(left[1]) == 60
    assert "preview.json of the job" in given


def test_a_screen_is_a_screen_however_much_there_is() -> None:
    for results in (all_sorts(), many_sorts(60), one_alias()):
        text = shown(report(results))
        assert len(text.splitlines()) <= HEIGHT
        assert max(map(len, text.splitlines())) <= 120
    assert "stacks in 50 more classes" in shown(report(many_sorts(58)))


def test_what_can_t_be_taken_back_comes_first() -> None:
    given = markdown(report(all_sorts()))
    order = [given.index(word) for word in ("REFUSED", "FAILED", "| **1** |", "164 stacks")]
    assert order == sorted(order)


def test_nothing_that_somebody_wrote_becomes_markup() -> None:
    told = Notice("error", "```\n</details><script>|x|", "urn:pulumi:a::b::c::d`", "p")
    evil = previewed(
        "26506-vung-tau", created("26506-vung-tau", "donvi:x:Y", "`|<b>", text="````\n# x"), notices=(told,)
    )
    given = markdown(report([evil]))
    fences = re.findall(r"^(`{3,})diff\n(.*?)\n^\1$", given, re.DOTALL | re.MULTILINE)
    assert len(fences) == 2, "what is wrong, and the changes"
    outside = re.sub(r"^(`{3,})diff\n.*?\n^\1$", "", given, flags=re.DOTALL | re.MULTILINE)
    assert "<script>" not in outside
    assert outside.startswith(MARK)


def test_a_single_stack_is_told_in_its_own_words() -> None:
    given = markdown(report(one_alias()))
    assert "hoidap@vung-tau.tphcm.test" in given
    assert "‹" not in given
