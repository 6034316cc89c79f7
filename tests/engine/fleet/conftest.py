"""A project with two stacks, and runners for it that leave nothing behind."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from donvi.fleet.engine import FastRunner
from tests.engine.fleet.processes import alive
from tests.engine.project import Project
from tests.engine.test_process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = "stack = pulumi.get_stack()\n"


class Pair(Project):
    """Two stacks, ``toy`` and ``other``, of one program that knows its own as ``stack``."""

    def program(self, body: str) -> None:
        super().program(HEAD + body)

    def exported(self, stack: str) -> str:
        """The state as the engine keeps it."""
        return (self.folder / f"state/.pulumi/stacks/toy/{stack}.json").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def pair_template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair") / "project"
    shutil.copytree(template, folder)
    made = Project(folder)
    line = ["pulumi", "stack", "init", "other", "--no-select", "--secrets-provider", "passphrase"]
    subprocess.run(line, cwd=folder, env=made.environ, check=True, capture_output=True)
    return folder


@pytest.fixture
def pair(tmp_path: Path, pair_template: Path) -> Iterator[Pair]:
    shutil.copytree(pair_template, tmp_path, dirs_exist_ok=True)
    made = Pair(tmp_path)
    yield made
    made.end()


@pytest.fixture
def runner(pair: Pair) -> Iterator[FastRunner]:
    with FastRunner(pair.environ, repository=pair.folder) as made:
        yield made
    assert wait_until(lambda: not alive(pair.folder)), "a closed runner leaves no process behind"
