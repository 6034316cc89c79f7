"""``donvi lab run``: a program that nobody may pull the lab away from."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from donvi.cli.lab.place import lab_settings

EPILOG = """
Example:

`donvi lab run pytest tests/acceptance` · another clone's `make up` is refused until it has ended
"""


def run(command: Annotated[list[str], typer.Argument(help="The program and its arguments.")]) -> None:
    """Hold the lab while a program runs, and end with its exit status."""
    settings = lab_settings()
    from lab import lock

    sys.exit(lock.run_held(settings, command))
