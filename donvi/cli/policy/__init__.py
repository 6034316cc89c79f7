"""``donvi policy``: what no preview and no ``up`` may get past."""

import typer

from donvi.cli.policy.list import EPILOG as LIST_EPILOG
from donvi.cli.policy.list import list_

app = typer.Typer(help="Rules for every resource, and waivers of them.", no_args_is_help=True)


@app.callback()
def _policy() -> None:
    """Keep the noun, though it has one verb so far."""


app.command("list", epilog=LIST_EPILOG)(list_)

__all__ = ["app"]
