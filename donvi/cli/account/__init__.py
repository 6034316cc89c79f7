"""``donvi account``: what opens a person's account."""

import typer

from donvi.cli.account.first_password import EPILOG, first_password

app = typer.Typer(help="People's accounts.", no_args_is_help=True)


@app.callback()
def _accounts() -> None:
    """Keep ``first-password`` a verb of its own although it is the only one."""


app.command("first-password", epilog=EPILOG)(first_password)

__all__ = ["app"]
