"""``donvi retention``: what destroyed units and people who left have left behind, and its end."""

import typer

from donvi.cli.retention.list import EPILOG as LIST_EPILOG
from donvi.cli.retention.list import list_
from donvi.cli.retention.purge import EPILOG as PURGE_EPILOG
from donvi.cli.retention.purge import purge

app = typer.Typer(help="Accounts and mailboxes that `destroy` kept.", no_args_is_help=True)
app.command("list", epilog=LIST_EPILOG)(list_)
app.command("purge", epilog=PURGE_EPILOG)(purge)

__all__ = ["app"]
