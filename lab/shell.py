"""Runs the host's programs and waits for facts, with errors that say what failed."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import TYPE_CHECKING

from donvi.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def run(argv: Sequence[str], *, stdin: str = "", hint: str = "", check: bool = True) -> str:
    """Run a program and return what it printed.

    :raises LabError: it isn't installed, or (unless ``check`` is false) it failed; the message has its last words.
    """
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed", hint="Run `make up`: it installs what is missing.") from None
    if check and done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise LabError(f"`{' '.join(argv[:4])}` failed: {'; '.join(words) or done.returncode}", hint=hint)
    return done.stdout


def wait_until(holds: Callable[[], bool], seconds: float, step: float = 0.02) -> bool:
    """Ask again and again, at most ``seconds`` long, whether something holds; say whether it came to hold."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True


def wait_for_exit(pid: int, seconds: float) -> bool:
    """Wait until a process has ended; false when it lives on after ``seconds``."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)
