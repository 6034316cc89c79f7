"""``donvi kubeconfig UNIT``: a person's way into their unit's part of the cluster, for an hour."""

from __future__ import annotations

import getpass
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from donvi.cli.output import Json, console, print_json
from donvi.errors import UsageError
from donvi.registry import find_unit, load_city
from donvi.tenancy import describe
from donvi.tenancy.access import person_role

if TYPE_CHECKING:
    import ssl

    from donvi.backends.person_login import Person
    from donvi.deployment import Deployment

EPILOG = """
Who administers a unit's pages can look at them in the cluster: pods, their logs, services, quotas; no secrets, and
nothing of another unit. The password is asked for, or read from standard input; it is never an argument. The key is
made on this machine. After an hour, run the command again.

Examples:

`donvi kubeconfig 26506 --login cb-265008` · asks for the password, writes ~/.kube/donvi-26506.json

`kubectl --kubeconfig ~/.kube/donvi-26506.json get pods` · what the unit has

`donvi kubeconfig "vung tau" --login cb-265008 --output ./config < password` · from a program

Where the city's systems are: DONVI_DEPLOYMENT names the file (in the lab `eval "$(uv run donvi lab env)"`).

Exit code 0: written. 1: refused (wrong password, no administrator), or Vault doesn't answer. 2: wrong usage.
"""

Query = Annotated[str, typer.Argument(metavar="UNIT", help="Code, slug, or name with or without accents.")]
Login = Annotated[str, typer.Option("--login", "-l", help="Employee id or address; asked for when it isn't given.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write; `-` prints it.")]


class Written(msgspec.Struct, frozen=True):
    """What a person got."""

    unit: str
    login: str
    namespace: str
    expires: str  # RFC 3339
    file: str  # "" when it was printed


def kubeconfig(query: Query, login: Login = "", output: Output = None, as_json: Json = False) -> None:  # noqa: FBT002  # typer's way
    """Log in with your account and write a configuration of kubectl for your unit, good for an hour."""
    city = load_city()
    unit = find_unit(city, query)
    namespaces = describe(city, unit.code).namespaces
    if not namespaces:
        raise UsageError(f"{unit.code} {unit.name} has nothing in the cluster", hint="see `donvi show UNIT`")
    target = output or Path.home() / f".kube/donvi-{unit.code}.json"
    if str(target) != "-":
        refuse_foreign(target)
    from donvi.backends.person_login import person
    from donvi.deployment import parse, text_from_environment
    from donvi.kubeconfig import personal, place

    deployment = parse(text_from_environment(os.environ))
    place(deployment)
    who = login or _asked("login: ")
    found: Person = person(
        deployment.vault.address, _trust(deployment), who, _password(who), role=person_role(unit.code)
    )
    expires = found.credential.expires.isoformat()
    config = personal(
        deployment,
        found.login,
        certificate=found.credential.certificate,
        key=found.credential.key,
        expires=expires,
        namespace=namespaces[0].id,
    )
    text = json.dumps(config, indent=2) + "\n"
    if str(target) == "-":
        sys.stdout.write(text)
        return
    write_private(target, text)
    written = Written(unit.code, found.login, namespaces[0].id, expires, str(target))
    if as_json:
        print_json(written)
        return
    out = console()
    out.print(f"{unit.name}: {found.login} may look around in {written.namespace} until {expires}.")
    out.print(f"  kubectl --kubeconfig {target} get pods")


def refuse_foreign(target: Path) -> None:
    """Do nothing when the file may be written: it isn't there, or donvi wrote it.

    :raises UsageError: it is somebody else's, or no file.
    """
    from donvi.kubeconfig import is_own

    if not target.exists() and not target.is_symlink():
        return
    try:
        own = target.is_file() and is_own(json.loads(target.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        own = False
    if not own:
        raise UsageError(
            f"{target} exists and wasn't written by donvi, so it isn't overwritten",
            hint="choose another file with --output, and name it to kubectl by --kubeconfig or KUBECONFIG",
        )


def write_private(target: Path, text: str) -> None:
    """Write a file that only its owner reads, at once or not at all.

    :raises UsageError: it can't be written there.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"{target} can't be written: {error.strerror}", hint="choose another file: --output") from None


def _trust(deployment: Deployment) -> ssl.SSLContext:
    from donvi.backends.client_certificate import trust

    if named := os.environ.get("VAULT_CACERT", ""):
        return trust(ca_file=named)
    return trust(ca_text=deployment.cluster.ca if deployment.cluster else "")


def _asked(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked who logs in", hint="name the account: --login cb-265008")
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _password(who: str) -> str:
    """Return the password: asked on the terminal, or the first line of standard input."""
    if sys.stdin.isatty():
        return getpass.getpass(f"password of {who}: ", stream=sys.stderr)
    return sys.stdin.readline().rstrip("\r\n")
