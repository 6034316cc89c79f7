"""Real engine, real gRPC; only the handlers behind the adapter are toys where a test says so."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.engine.driving import STACKS, Fleet, make_stacks
from tests.engine.lab import Lab, current
from tests.engine.project import Project, tool_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab, open, as an operator with the role ``apply``."""
    found = current()
    yield found
    found.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an initialised, empty stack; making one takes as long as a preview, copying it nothing."""
    if shutil.which("pulumi", path=tool_path()) is None:
        pytest.fail("pulumi isn't on PATH: run `make test`, or set DONVI_TOOLS to the folder that holds it")
    made = Project(tmp_path_factory.mktemp("template"))
    made.init()
    return made.folder


@pytest.fixture
def project(tmp_path: Path, template: Path) -> Iterator[Project]:
    """A fresh project with an initialised stack; nothing of it runs on after the test."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    made = Project(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="session")
def fleet_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the empty stacks of a toy city."""
    made = Project(tmp_path_factory.mktemp("fleet"))
    make_stacks(made, STACKS)
    return made.folder


@pytest.fixture
def fleet(tmp_path: Path, fleet_template: Path) -> Iterator[Fleet]:
    """A toy city with empty stacks; nothing of it runs on after the test."""
    shutil.copytree(fleet_template, tmp_path, dirs_exist_ok=True)
    made = Fleet(Project(tmp_path))
    yield made
    made.end()
