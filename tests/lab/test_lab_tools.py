"""Tools of several programs: what is there stays, a build that was stopped goes on where it was."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from donvi.errors import LabError
from lab import tools
from lab.background import Background
from lab.stages import Stage, Steps
from lab.tools import Tool

if TYPE_CHECKING:
    from pathlib import Path

    from lab.settings import LabSettings

MODULE = "example.invalid/greeter"
TOOL = Tool(
    "greeter",
    MODULE,
    {"hello": "example.invalid/tools/greeter/hello", "bye": "example.invalid/tools/greeter/bye"},
    stamps={"main.version": "v{version}"},
)
SOURCE = """package main

var version string

func main() {{ println("{word}", version) }}
"""


@pytest.fixture
def workshop(paper_lab: LabSettings, tmp_path: Path) -> LabSettings:
    """A repository with one tool of two programs, and a cache of its own."""
    home = tmp_path / "repository/tools/greeter"
    for word in TOOL.programs:
        (home / word).mkdir(parents=True)
        (home / word / "main.go").write_text(SOURCE.format(word=word))
    # the module whose version counts is a folder beside it, so nothing is downloaded
    (home / "own").mkdir()
    (home / "own/go.mod").write_text(f"module {MODULE}\n")
    pinned = f"require (\n\t{MODULE} v1.2.3\n)\n\nreplace {MODULE} => ./own\n"
    (home / "go.mod").write_text(f"module example.invalid/tools/greeter\n\ngo 1.27\n\n{pinned}")
    return replace(paper_lab, repository=tmp_path / "repository", cache=tmp_path / "cache")


def test_a_stopped_build_goes_on_with_the_program_that_is_missing(workshop: LabSettings) -> None:
    told: list[str] = []
    place = tools.ensure_built(workshop, TOOL, told.append)
    assert told == ["building hello 1.2.3", "built hello 1.2.3", "building bye 1.2.3", "built bye 1.2.3"]
    before = (place / "hello").stat().st_mtime_ns
    (place / "bye").unlink()
    assert tools.unmade(workshop, TOOL) == ["bye"]
    tools.ensure_built(workshop, TOOL)
    assert (place / "hello").stat().st_mtime_ns == before
    said = subprocess.run([place / "bye"], capture_output=True, text=True, check=True)
    assert said.stderr.split() == ["bye", "v1.2.3"]


def test_a_build_that_fails_says_why_and_leaves_nothing(workshop: LabSettings) -> None:
    (workshop.repository / "tools/greeter/bye/main.go").write_text("package main\n\nfunc main() { nothing() }\n")
    with pytest.raises(LabError, match="undefined: nothing"):
        tools.ensure_built(workshop, TOOL)
    assert tools.unmade(workshop, TOOL) == ["bye"]


def test_kubernetes_is_built_from_one_release() -> None:
    """Its parts are modules of their own, in step with it."""
    from lab.settings import REPOSITORY

    text = (REPOSITORY / "tools/kubernetes/go.mod").read_text()
    release = next(line.split()[1] for line in text.splitlines() if line.split()[:1] == ["k8s.io/kubernetes"])
    parts = {line.split()[-1] for line in text.splitlines() if "=>" in line}
    assert parts == {release.replace("v1.", "v0.")}


def test_a_stage_waits_for_what_goes_on_beside_it_and_fails_with_it(
    paper_lab: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise LabError("the third program can't be built")

    monkeypatch.setattr(tools, "ensure_built", broken)
    monkeypatch.setattr(tools, "ensure", lambda *_: None)
    background = Background(paper_lab)
    run = Steps()
    run.carry_out([Stage("Tools", background.begin), Stage("Tools ready", background.engine)])
    background.begin_cluster()
    with pytest.raises(LabError, match="third program"):
        run.carry_out([Stage("Cluster", background.cluster)])
