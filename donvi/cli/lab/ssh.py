"""``donvi lab ssh``: a shell on a machine."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from donvi.cli.lab.place import lab_settings
from donvi.errors import LabError

EPILOG = """
Examples:

`donvi lab ssh dc` · a shell

`donvi lab ssh gw-26506 nft list ruleset` · one command
"""


def ssh(
    machine: Annotated[str, typer.Argument(help="Name of the machine, e.g. dc.")],
    command: Annotated[list[str] | None, typer.Argument(help="What to run there; none: a shell.")] = None,
) -> None:
    """Enter a machine as root with the operator's key; its host key is the pinned one."""
    settings = lab_settings()
    from lab import access

    argv = access.ssh_command(settings, machine, command or [])
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - ssh takes over the terminal
    except FileNotFoundError:
        raise LabError("ssh is not installed", hint="Run `make up`: it installs what is missing.") from None
