"""Deque's axe-core, run in the page: what it finds against WCAG 2.2 A and AA and good practice."""

from __future__ import annotations

import importlib.resources
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: rules that axe-core itself runs only when told to
RULES = {"target-size": {"enabled": True}, "p-as-heading": {"enabled": True}, "table-fake-caption": {"enabled": True}}


@cache
def _source() -> str:
    return (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def findings(page: Page) -> dict[str, list[str]]:
    """Return by rule the elements that break it, and those that the engine couldn't judge (rule ending in ``?``).

    The engine comes in through the debugger, so the page's own policy, which forbids every script, stays in force.
    """
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": _source()})
    options = {"runOnly": {"type": "tag", "values": TAGS}, "rules": RULES}
    answer = page.evaluate("options => axe.run(document, options)", options)
    assert answer["passes"], "axe judged nothing"
    return {
        **{rule["id"]: _elements(rule) for rule in answer["violations"]},
        **{f"{rule['id']}?": _elements(rule) for rule in answer["incomplete"]},
    }


def _elements(rule: dict[str, Any]) -> list[str]:
    return [f"{' '.join(map(str, node['target']))}: {node['failureSummary']}" for node in rule["nodes"]]
