"""``donvi lab``: the machines on this host that stand in for the city's data centre and gateways."""

import typer

from donvi.cli.lab.down import EPILOG as DOWN_EPILOG
from donvi.cli.lab.down import down
from donvi.cli.lab.env import EPILOG as ENV_EPILOG
from donvi.cli.lab.env import env
from donvi.cli.lab.open import EPILOG as OPEN_EPILOG
from donvi.cli.lab.open import open_
from donvi.cli.lab.reset import EPILOG as RESET_EPILOG
from donvi.cli.lab.reset import reset
from donvi.cli.lab.run import EPILOG as RUN_EPILOG
from donvi.cli.lab.run import run
from donvi.cli.lab.ssh import EPILOG as SSH_EPILOG
from donvi.cli.lab.ssh import ssh
from donvi.cli.lab.status import EPILOG as STATUS_EPILOG
from donvi.cli.lab.status import status
from donvi.cli.lab.up import EPILOG as UP_EPILOG
from donvi.cli.lab.up import up

PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}

app = typer.Typer(help="The lab: a small city of real machines on this host.", no_args_is_help=True)
app.command("open", epilog=OPEN_EPILOG)(open_)
app.command("up", epilog=UP_EPILOG)(up)
app.command("down", epilog=DOWN_EPILOG)(down)
app.command("reset", epilog=RESET_EPILOG)(reset)
app.command("status", epilog=STATUS_EPILOG)(status)
app.command("env", epilog=ENV_EPILOG)(env)
app.command("ssh", epilog=SSH_EPILOG, context_settings=PASS_ON)(ssh)
app.command("run", epilog=RUN_EPILOG, context_settings=PASS_ON)(run)

__all__ = ["app"]
