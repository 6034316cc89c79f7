"""Connections that were let in before and aren't allowed any more: found in the kernel's table, and cut there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from .isolation import Isolation
    from .model import Address, Network

FIELD = re.compile(r"\b(src|dst|sport|dport)=(\S+)")


@dataclass(frozen=True, slots=True)
class Connection:
    """An entry of the table: as the client sees it, and where address translation really sent it.

    :param protocol: in the policies' words (``TCP``), or as the table says for those without ports.
    :param ports: the client's and the one it asked for; None for protocols without ports.
    :param target: who answers, and at which port.
    """

    protocol: str
    source: Address
    asked: Address
    ports: tuple[int, int] | None
    target: Address
    target_port: int | None

    def deletion(self) -> list[str]:
        """Return the command that removes the entry."""
        family = f"ipv{self.source.version}"
        command = ["conntrack", "-D", "-f", family, "-p", self.protocol.lower()]
        command += ["--orig-src", str(self.source), "--orig-dst", str(self.asked)]
        if self.ports is not None:
            command += ["--orig-port-src", str(self.ports[0]), "--orig-port-dst", str(self.ports[1])]
        return command


def read(text: str) -> list[Connection]:
    """Return what ``conntrack -L`` printed; lines that aren't entries are left out."""
    return [found for line in text.splitlines() if (found := _read_line(line)) is not None]


def _read_line(line: str) -> Connection | None:
    words, fields = line.split(), FIELD.findall(line)
    addresses = [ip_address(value) for name, value in fields if name in {"src", "dst"}]
    ports = [int(value) for name, value in fields if name in {"sport", "dport"}]
    if len(addresses) != 4 or len(ports) not in {0, 4}:  # noqa: PLR2004 two directions, two ends
        return None
    source, asked, target, _ = addresses
    protocol = words[0].upper()
    if not ports:
        return Connection(protocol, source, asked, None, target, None)
    return Connection(protocol, source, asked, (ports[0], ports[1]), target, ports[2])


def forbidden(
    connections: Iterable[Connection], isolation: Isolation, pods: Sequence[Network], local: Collection[Address]
) -> list[Connection]:
    """Return the connections of pods that aren't allowed.

    :param pods: the networks that pods have addresses of.
    :param local: the node's own addresses: what comes from them always passes.
    """

    def ours(address: Address) -> bool:
        return any(address in network for network in pods)

    return [
        c
        for c in connections
        if c.source not in local
        and (ours(c.source) or ours(c.target))
        and not isolation.permits(c.source, c.target, c.protocol, c.target_port)
    ]
