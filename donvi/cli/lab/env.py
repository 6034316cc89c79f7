"""``donvi lab env``: what a plain `pulumi` needs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from donvi.cli.lab.place import lab_settings
from donvi.cli.output import Json, print_json
from donvi.errors import UsageError

EPILOG = """
Examples:

`eval "$(uv run donvi lab env)"` · then the official `pulumi` works: `pulumi preview -s 26506-vung-tau`

`eval "$(uv run donvi lab env --role preview)"` · a token that can look and change nothing
"""


def env(
    role: Annotated[str, typer.Option(help="Operator role: apply, preview, verify or administrator.")] = "apply",
    as_json: Json = False,  # noqa: FBT002  # typer's way of declaring a flag
) -> None:
    """Print shell lines that export the engine's settings and a short-lived Vault token of an operator role."""
    settings = lab_settings()
    from lab import environment

    if role not in environment.ROLES:
        raise UsageError(f"there is no operator role {role!r}", hint=f"there are: {', '.join(environment.ROLES)}")
    names = environment.variables(settings, role)
    if as_json:
        print_json(names)
    else:
        sys.stdout.write(environment.exports(names))
