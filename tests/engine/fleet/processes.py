"""Which processes belong to a test's project: those whose home it is."""

from __future__ import annotations

import os
from pathlib import Path


def alive(home: Path, word: str = "") -> list[int]:
    """Pids of the processes that were started for a project, of those whose command line has the word."""
    mark, found = f"HOME={home}".encode(), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environ = (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if mark in environ and command and word.encode() in command:
            found.append(int(entry.name))
    return found
