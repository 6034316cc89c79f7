"""The verbs of ``donvi cluster``."""

import typer

from donvi.cli.cluster.credential import print_credential

EPILOG = """
Example:

`kubectl get pods -n unit-26506-public` · kubectl runs it by itself, after `eval "$(uv run donvi lab env)"`

Exit code 0: a credential was printed. 1: Vault refused, or doesn't answer. 2: no token, or one of another role.
"""

app = typer.Typer(help="The cluster, for operators; people of a unit use `donvi kubeconfig`.", no_args_is_help=True)


@app.callback()
def _cluster() -> None:
    """Keep ``credential`` a verb of its own although it is the only one."""


@app.command("credential", epilog=EPILOG)
def credential() -> None:
    """Print a certificate for the cluster, good for an hour: what `kubectl` and Pulumi run by themselves.

    Vault signs it for the role of VAULT_TOKEN (apply, preview or verify); the key is made here and is kept nowhere.
    """
    print_credential()
