"""Looking for stacks while others write theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from donvi.errors import EngineError
from donvi.fleet.stacks import LOOKS, Stacks
from tests.engine.project import tool_path

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.project import Project

OVERTAKEN = """#!/bin/sh
# what the engine says when a state that it saw in the folder was renamed before it looked at it; then the engine itself
echo look >>{folder}/looks
if [ "$(wc -l <{folder}/looks)" -le {times} ]; then
    echo "error: list bucket: blob (code=NotFound): lstat /state/other.json.18eb13a3de14b401.tmp: no such file" >&2
    exit 255
fi
PATH={path} exec pulumi "$@"
"""


def overtaken(project: Project, folder: Path, times: int) -> Stacks:
    program = folder / "pulumi"
    program.write_text(OVERTAKEN.format(folder=folder, times=times, path=tool_path()), encoding="utf-8")
    program.chmod(0o755)
    return Stacks({**project.environ, "PATH": f"{folder}:{tool_path()}"}, repository=project.folder)


def test_stacks_are_found_although_other_runs_write_their_states(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert overtaken(project, tmp_path_factory.mktemp("bin"), 3).stacks() == {"toy"}


def test_a_folder_that_never_rests_is_an_error_and_not_an_empty_city(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bin")
    with pytest.raises(EngineError, match="code=NotFound"):
        overtaken(project, folder, 99).stacks()
    assert len((folder / "looks").read_text().splitlines()) == LOOKS
