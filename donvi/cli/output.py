"""What every command prints with: tables for people, JSON for programs, errors with code, message and hint."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

if TYPE_CHECKING:
    from rich.console import Console

    from donvi.errors import DonviError

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a page for people.")]
"""The option ``--json`` that every command has."""


def console() -> Console:
    """Return the terminal's console; colours only on a terminal, as wide as needed elsewhere."""
    from rich.console import Console  # 60 ms that --json doesn't need

    width = None if sys.stdout.isatty() else 120
    return Console(width=width, highlight=False, emoji=False, markup=False)


def print_json(value: Any) -> None:
    """Print a value (msgspec types included) as JSON: the same value gives the same bytes."""
    text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, indent=2)
    sys.stdout.write(text + "\n")


def print_error(error: DonviError, *, as_json: bool) -> None:
    """Print an error on standard error."""
    if as_json:
        text = json.dumps({"code": error.code, "message": error.message, "hint": error.hint}, ensure_ascii=False)
    else:
        text = f"error: {error.message}" + (f"\n hint: {error.hint}" if error.hint else "")
    sys.stderr.write(text + "\n")
