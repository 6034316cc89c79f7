"""A network namespace that lives as long as one shell command: nft works there and touches nothing else."""

from __future__ import annotations

import subprocess


def in_scratch(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script as root of a new, empty network namespace."""
    command = ["unshare", "--map-root-user", "--net", "sh", "-euc", script, "sh", *arguments]
    return subprocess.run(command, text=True, capture_output=True, timeout=120, check=False)
