"""``donvi lab reset``: as if there had never been a lab."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from donvi.cli.lab.place import lab_settings
from donvi.errors import UsageError

EPILOG = """
Example:

`donvi lab reset --yes` · deletes every machine's disk, all keys and the engine's state; the image and tools stay cached
"""


def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,  # noqa: FBT002  # typer's flag
) -> None:
    """Stop every machine and delete disks, keys and the engine's state."""
    settings = lab_settings()
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("`donvi lab reset` deletes disks and state", hint="say that you mean it: --yes")
        typer.confirm(f"Delete the lab in {settings.home}, its disks and its state?", abort=True, err=True)
    from lab import control
    from lab.display import display

    with display() as shown:
        control.reset(settings, shown)
