"""A role's README says what its argument specification says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_readme_is_current() -> None:
    done = subprocess.run(
        [sys.executable, "playbooks/readme.py", "--check"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
