"""Where the city's real systems are: addresses only, no secrets, no host paths.

The lab (or the operator of a real data centre) writes it as a JSON file; ``platform`` exports the same text as its
output ``deployment``, and the provider is configured with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from donvi.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "DONVI_DEPLOYMENT"


class VaultPlace(msgspec.Struct, frozen=True):
    """Vault's API, e.g. ``https://172.31.250.3:8200``."""

    address: str


class DirectoryPlace(msgspec.Struct, frozen=True):
    """The directory, ``ldaps://host:636``."""

    url: str


class MailPlace(msgspec.Struct, frozen=True):
    """The mail system: ``host:port`` of the three protocols, and the URL of Dovecot's administration API."""

    smtp: str
    submission: str
    imap: str
    doveadm: str


class DnsPlace(msgspec.Struct, frozen=True):
    """The primary name server, which takes dynamic updates over TCP."""

    server: str
    port: int = 53


class ClusterPlace(msgspec.Struct, frozen=True):
    """The Kubernetes cluster: its API, the PEM of the root of its certificate, and the gateway of the web sites.

    ``gateway`` is ``host:port`` in the city's networks, where whoever opens a unit's web site connects.
    """

    server: str
    ca: str
    gateway: str


class Machine(msgspec.Struct, frozen=True):
    """A machine reached by SSH over the management network; ``data4``/``data6`` are its addresses in the city's."""

    address: str
    port: int = 22
    user: str = "root"
    data4: str = ""
    data6: str = ""


class Deployment(msgspec.Struct, frozen=True):
    """All the places of one city."""

    city_domain: str
    vault: VaultPlace
    directory: DirectoryPlace
    mail: MailPlace
    dns: DnsPlace
    systems: dict[str, str] = {}
    machines: dict[str, Machine] = {}
    cluster: ClusterPlace | None = None

    def has(self, machine: str) -> bool:
        """Whether a machine exists here: a lab may have fewer than its city's description."""
        return machine in self.machines

    def machine(self, name: str) -> Machine:
        """Return a machine by name.

        :raises UsageError: the deployment has no such machine.
        """
        try:
            return self.machines[name]
        except KeyError:
            raise UsageError(
                f"the deployment has no machine {name}; it has {', '.join(sorted(self.machines))}",
                hint="add it to the deployment file, in the lab with `make lab-up`",
            ) from None


def parse(text: str | bytes, *, source: str = "deployment") -> Deployment:
    """Read the JSON text of a deployment.

    :param source: what the text came from, for the error.
    :raises DataError: it isn't JSON or lacks a place.
    """
    try:
        return msgspec.json.decode(text, type=Deployment)
    except msgspec.DecodeError as error:
        raise DataError(
            f"not a description of a deployment: {error}", file=source, hint="let `make lab-up` write it again"
        ) from None


def text_from_environment(environ: Mapping[str, str]) -> str:
    """Return the text of the file that ``DONVI_DEPLOYMENT`` names, checked.

    :raises UsageError: the variable is unset or names a file that can't be read.
    :raises DataError: the file isn't a deployment.
    """
    remedy = 'run `eval "$(uv run donvi lab env)"` first'
    name = environ.get(VARIABLE, "")
    if not name:
        raise UsageError(f"{VARIABLE} is not set, so nobody knows where the city's systems are", hint=remedy)
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{VARIABLE} names {name}, which can't be read: {error}", hint=remedy) from None
    parse(text, source=name)
    return text
