"""``donvi ledger``: the numbers of the units, given once and for good."""

import typer

from donvi.cli.ledger.allocate import EPILOG as ALLOCATE_EPILOG
from donvi.cli.ledger.allocate import allocate
from donvi.cli.ledger.check import EPILOG as CHECK_EPILOG
from donvi.cli.ledger.check import check

app = typer.Typer(help="The ledger: numbers given to units once and for good.", no_args_is_help=True)
app.command("check", epilog=CHECK_EPILOG)(check)
app.command("allocate", epilog=ALLOCATE_EPILOG)(allocate)

__all__ = ["app"]
