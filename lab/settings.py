"""Where the lab lives and what its things on the host are called."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

MANAGEMENT = IPv4Network("172.31.250.0/24")
HOME = "/var/lib/donvi-lab"
REPOSITORY = Path(__file__).resolve().parent.parent
LINK_NAME_LENGTH = 15  # IFNAMSIZ without its final zero


def link_name(begin: str, machine: str) -> str:
    """Return a link's name that begins so and tells the machine; one too long for the kernel ends in a digest."""
    whole = begin + machine
    if len(whole) <= LINK_NAME_LENGTH:
        return whole
    return whole[: LINK_NAME_LENGTH - 5] + hashlib.sha256(whole.encode()).hexdigest()[:5]


@dataclass(frozen=True, slots=True)
class LabSettings:
    """Names and places of one lab; two labs with other prefixes, homes and networks can stand side by side.

    :param home: everything the lab keeps, ``DONVI_LAB_HOME``.
    :param cache: images and tools, shared by clones, ``DONVI_CACHE``.
    :param repository: the clone that asks.
    :param prefix: begins the name of every namespace, link and cgroup on the host, so that all can be found again.
    :param network: the management network; the host is its first address.
    :param units: codes of the units that have machines, or ``pilots``; empty: one pilot unit per former locality.
    """

    home: Path
    cache: Path
    repository: Path = REPOSITORY
    prefix: str = "dv"
    network: IPv4Network = MANAGEMENT
    units: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> LabSettings:
        """Read ``DONVI_CACHE`` and ``DONVI_LAB_`` followed by ``HOME``, ``PREFIX``, ``NETWORK`` or ``UNITS``.

        :raises UsageError: a value can't be used.
        """
        environ = os.environ if environ is None else environ
        prefix = environ.get("DONVI_LAB_PREFIX", "dv")
        if not (prefix.isascii() and prefix.isalnum() and prefix.islower() and len(prefix) <= 3):  # noqa: PLR2004
            raise UsageError(
                f"DONVI_LAB_PREFIX={prefix!r} can't name links", hint="Use at most three lower-case letters or digits."
            )
        try:
            network = IPv4Network(environ.get("DONVI_LAB_NETWORK", str(MANAGEMENT)))
        except ValueError as error:
            hint = f"Give an IPv4 network such as {MANAGEMENT}."
            raise UsageError(f"DONVI_LAB_NETWORK: {error}", hint=hint) from None
        home = Path(environ.get("DONVI_LAB_HOME") or HOME)
        if not home.is_absolute():
            raise UsageError(f"DONVI_LAB_HOME={home} depends on where one stands", hint=f"Give a path such as {HOME}.")
        return cls(
            home=home,
            cache=Path(environ.get("DONVI_CACHE") or Path.home() / ".cache" / "donvi"),
            prefix=prefix,
            network=network,
            units=tuple(filter(None, environ.get("DONVI_LAB_UNITS", "").split(","))),
        )

    @property
    def bridge(self) -> str:
        """The host's bridge of the management network."""
        return f"{self.prefix}-mgmt"

    @property
    def host_address(self) -> IPv4Address:
        """The operator's address on the management network."""
        return self.network[1]

    def label(self, machine: str) -> str:
        """Name of the machine's namespace, cgroup and container on the host."""
        return f"{self.prefix}-{machine}"

    def management_link(self, machine: str) -> str:
        """Name of the host's end of the machine's management link."""
        return link_name(f"{self.prefix}-m-", machine)

    def machine_folder(self, machine: str) -> Path:
        """What is kept of one machine: its disk, its console log, its record."""
        return self.home / "machines" / machine
