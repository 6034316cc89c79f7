"""The site server's own tests, which are Go."""

from __future__ import annotations

import subprocess

import pytest

from lab import tools
from lab.settings import REPOSITORY


@pytest.mark.parametrize("arguments", [["vet", "./..."], ["test", "-count=1", "./..."]], ids=["vet", "test"])
def test_the_site_server_passes_its_own(arguments: list[str]) -> None:
    module = REPOSITORY / "tools/site"
    done = subprocess.run(
        ["go", *arguments], cwd=module, env=tools.go_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
