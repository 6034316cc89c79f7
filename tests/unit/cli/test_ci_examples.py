"""The examples for CI call commands that exist, with options that exist, and give no token away."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
import yaml

from donvi.cli.commands import app
from donvi.fleet.markdown import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = sorted((Path(__file__).parents[3] / "docs/ci").glob("*.yml"))
WANTED = {"preview", "audit", "approve", "up", "report", "drift"}


def shell(value: Any, key: str = "") -> Iterator[str]:
    """Every line of shell in a workflow."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from shell(item, str(name))
    elif isinstance(value, list):
        for item in value:
            yield from shell(item, key)
    elif isinstance(value, str) and key in {"script", "before_script", "after_script", "run"}:
        yield from value.splitlines()


def commands(path: Path) -> list[list[str]]:
    """The arguments of every call of donvi, redirections left out."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    calls = []
    for line in shell(document):
        if line.strip().startswith("donvi "):
            words = shlex.split(re.sub(r"\$\{\{[^}]*\}\}", "1", line))
            end = next((n for n, word in enumerate(words) if word.startswith((">", "|"))), len(words))
            calls.append(words[1:end])
    return calls


def test_both_systems_have_an_example() -> None:
    assert [path.name for path in EXAMPLES] == ["github-actions.yml", "gitlab-ci.yml"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_call_is_one_that_the_command_line_takes(path: Path) -> None:
    group: Any = typer.main.get_command(app)
    calls = commands(path)
    assert {call[0] for call in calls} >= WANTED
    for name, *arguments in calls:
        assert name in group.commands, name
        group.commands[name].make_context(name, list(arguments))  # raises for what it doesn't take


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_comment_is_found_by_its_mark_and_no_token_is_an_argument(path: Path) -> None:
    lines = list(shell(yaml.safe_load(path.read_text(encoding="utf-8"))))
    assert any(MARK in line for line in lines)
    for line in lines:
        assert not re.search(r"--header [^@]*(TOKEN|Authorization)", line), line
        assert not re.search(r"(--token|-u) ", line), line


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_writes_has_the_token_that_may_write_and_nothing_else_has_it(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    jobs = document.get("jobs") or {name: job for name, job in document.items() if isinstance(job, dict)}
    for name, job in jobs.items():
        writes = any(line.strip().startswith("donvi up ") for line in shell(job))
        token = str((job.get("variables") or job.get("env") or {}).get("VAULT_TOKEN", ""))
        assert ("APPLY" in token) == writes, name
