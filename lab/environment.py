"""What a plain ``pulumi`` needs in its environment, with a short-lived token of one operator role."""

from __future__ import annotations

import json
import os
import shlex
import ssl
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from donvi.deployment import parse
from donvi.errors import LabError, LockedError, PermissionDeniedError, SealedError, UnreachableError
from donvi.kubeconfig import kubeconfig
from lab import plugins, record, tools
from lab.files import place

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPResponse

    from lab.settings import LabSettings

ROLES = ("apply", "preview", "administrator", "verify")
UP = "Run `make up`."
LOOK = "See `donvi lab ssh dc journalctl --unit openbao`; restart its service there, or run `make up`."
STARTING = (307, 500, 503)
"""What Vault answers until it is unsealed and has found itself its leader, a second or two after it was started."""
STARTING_SECONDS = 25.0


def variables(settings: LabSettings, role: str, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Log in to Vault as an operator role and return the variables to export.

    :raises LabError: there is no lab.
    :raises LockedError: the lab belongs to another clone now.
    :raises UnreachableError: Vault doesn't answer: the lab is down or not configured yet.
    :raises PermissionDeniedError: Vault doesn't know the role.
    """
    environ = os.environ if environ is None else environ
    known = record.load(settings)
    if known is None:
        raise LabError("there is no lab on this host", hint=UP)
    if known.owner != str(settings.repository):
        raise LockedError(f"the lab belongs to the clone {known.owner}", hint="Run `make up` here to take it over.")
    text = (settings.home / "deployment.json").read_text()
    places = json.loads(text)
    address = places["vault"]["address"]
    names = {
        "PATH": search_path(settings, environ.get("PATH", "")),
        "PULUMI_BACKEND_URL": f"file://{settings.home}/pulumi",
        "PULUMI_HOME": f"{settings.home}/pulumi-home",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # a fresh clone has no stack files: then the engine asks the stack's state how its secrets are wrapped
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        # else every run tries to download the Kubernetes plugin, because its SDK is installed, and waits for that
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        # plain `pulumi preview` and `up` run the pack; given as a file, every language host can start it
        "PULUMI_OPTION_POLICY_PACK": str(settings.repository / "policies/pulumi-analyzer-donvi"),
        "VAULT_ADDR": address,
        "VAULT_CACERT": f"{settings.home}/pki/root.crt",
        "VAULT_TOKEN": login(settings, address, role),
        "DONVI_DEPLOYMENT": f"{settings.home}/deployment.json",
        "DONVI_KNOWN_HOSTS": f"{settings.home}/ssh/known_hosts",
    }
    if places.get("cluster"):
        names["KUBECONFIG"] = _kubeconfig(settings, text)
    return names | ({"DONVI_CITY": environ["DONVI_CITY"]} if environ.get("DONVI_CITY") else {})


def _kubeconfig(settings: LabSettings, deployment: str) -> str:
    """Write what `kubectl` needs, without a secret in it; return the file's name."""
    file = settings.home / "kubeconfig.json"
    text = json.dumps(kubeconfig(parse(deployment)), indent=2) + "\n"
    place(file, text)
    return str(file)


def search_path(settings: LabSettings, current: str) -> str:
    """Return PATH with the environment's programs, tools and a Kubernetes plugin first; the same when done twice."""
    first = [*tools.paths(settings), *plugins.folders(settings, current)]
    moved = {*first, str(plugins.stand_in(settings))}
    return os.pathsep.join([*first, *(entry for entry in current.split(os.pathsep) if entry not in moved)])


def exports(names: Mapping[str, str]) -> str:
    """Return shell lines that export the variables, whatever their values hold."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in names.items())


def login(settings: LabSettings, address: str, role: str) -> str:
    """Exchange the operator's client certificate for a short-lived Vault token."""
    context = ssl.create_default_context(cafile=str(settings.home / "pki/root.crt"))
    context.load_cert_chain(settings.home / "operators" / f"{role}.crt", settings.home / "operators" / f"{role}.key")
    request = urllib.request.Request(  # noqa: S310 - the address is the lab's own, https
        f"{address}/v1/auth/cert/login",
        data=json.dumps({"name": role}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    deadline = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            response: HTTPResponse
            with urllib.request.urlopen(request, timeout=15, context=context) as response:  # noqa: S310
                token: str = json.load(response)["auth"]["client_token"]
                return token
        except urllib.error.HTTPError as error:
            if error.code not in STARTING or time.monotonic() > deadline:
                raise _refusal(error.code, role) from None
            time.sleep(0.2)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = getattr(error, "reason", error)
            raise UnreachableError(f"Vault doesn't answer on {address} ({reason})", hint=UP) from None


def _refusal(code: int, role: str) -> PermissionDeniedError | SealedError | UnreachableError:
    if code == 503:  # noqa: PLR2004
        return SealedError(f"Vault is sealed, and was so for {STARTING_SECONDS:.0f} s", hint=LOOK)
    if code in {400, 403, 404}:
        return PermissionDeniedError(f"Vault has no login for the operator role {role} (HTTP {code})", hint=UP)
    return UnreachableError(f"Vault answered the login of role {role} with HTTP {code}", hint=LOOK)
