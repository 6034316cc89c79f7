"""Putting packets in, reading what comes out, and counting what the machines say they dropped."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tests.isolation import netns, packets
from tests.isolation.network import HOST_SIDE, HOSTS, MACHINE_SIDE, Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.isolation.oracle import Port, Probe
    from tests.isolation.packets import Seen

SO_RCVBUFFORCE = 33  # asm-generic/socket.h
SOL_PACKET, IGNORE_OUTGOING = 263, 23  # linux/if_packet.h
RECEIVE_BUFFER = 256 << 20
AF_NETLINK, NETLINK_NETFILTER = 16, 12
# nlmsghdr of IPCTNL_MSG_CT_DELETE with request and acknowledgement, nfgenmsg; linux/netfilter/nfnetlink_conntrack.h
DELETE_CONNECTIONS = struct.pack("=IHHII", 20, 1 << 8 | 2, 0x1 | 0x4, 1, 0) + struct.pack("=BBH", 0, 0, 0)
QUIET_SECONDS = 0.03
BURST = 2000
FIRST_PORT, PORTS = 10000, 50000


class Arrival(NamedTuple):
    """A packet that came out towards a host."""

    port: Port
    seen: Seen


class Wire:
    """The hosts' ends of all links."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._serial = 0
        with netns.inside(HOSTS):
            self._out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._in = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._in.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        self._in.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
        self._in.settimeout(0)

    def close(self) -> None:
        """Close the sockets."""
        self._out.close()
        self._in.close()

    def number(self) -> int:
        """Return a number that no packet had before; its source port follows from it."""
        self._serial += 1
        return self._serial

    def build(self, probe: Probe, serial: int, hops: int = 64) -> bytes:
        """Return the IP packet of a probe."""
        flags = packets.SYN_FIN if probe.broken else packets.SYN
        ports = (source_port(serial), probe.port)
        source, target = probe.source, probe.target
        data = packets.payload(serial)
        code, body = packets.transport((source, target), probe.protocol, ports, flags, data)
        return packets.packet(source, target, code, body, hops)

    def put(self, port: Port, family: int, data: bytes) -> None:
        """Put an IP packet on a link, as a host there would."""
        near, far = (self.network.mac(port, side) for side in (HOST_SIDE, MACHINE_SIDE))
        self._out.sendto(packets.frame(near, far, family, data), (self.network.links[port], packets.ETHERTYPE[family]))

    def send(self, probes: Iterable[Probe]) -> tuple[dict[int, Probe], list[Arrival]]:
        """Send probes; return them by number, and everything that came out until the links were quiet."""
        sent: dict[int, Probe] = {}
        arrived: list[Arrival] = []
        for probe in probes:
            serial = self.number()
            sent[serial] = probe
            self.put(probe.at, probe.family, self.build(probe, serial))
            if serial % BURST == 0:
                arrived += self._drain()
        return sent, arrived + self.collect()

    def collect(self) -> list[Arrival]:
        """Return what comes out until the links are quiet."""
        arrived = self._drain()
        while select.select([self._in], [], [], QUIET_SECONDS)[0]:
            arrived += self._drain()
        return arrived

    def until(self, wanted: Callable[[Arrival], bool], seconds: float) -> list[Arrival]:
        """Return what comes out until something wanted does, or the time is over."""
        arrived: list[Arrival] = []
        end = time.monotonic() + seconds
        while not any(map(wanted, arrived)) and (left := end - time.monotonic()) > 0:
            select.select([self._in], [], [], left)
            arrived += self._drain()
        return arrived

    def _drain(self) -> list[Arrival]:
        return list(self._read())

    def _read(self) -> Iterator[Arrival]:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, address = self._in.recvfrom(2048)
                seen = packets.read(data)
                if seen is not None and address[0] in self.network.ports:
                    yield Arrival(self.network.ports[address[0]], seen)

    def drops(self, machines: Iterable[str]) -> Counter[tuple[str, str]]:
        """Return how many packets each machine dropped, by its own counters: (machine, counter)."""
        found: Counter[tuple[str, str]] = Counter()
        for machine in machines:
            for entry in json.loads(netns.nft(machine, "--json", "list", "counters"))["nftables"]:
                if "counter" in entry:
                    found[machine, entry["counter"]["name"]] = entry["counter"]["packets"]
        return found


def source_port(serial: int) -> int:
    """Return the source port, or echo id, of a packet."""
    return FIRST_PORT + serial % PORTS


def forget_neighbours(machine: str) -> None:
    """Let a machine learn again who is on its links; what was set by hand stays."""
    for family in ("-4", "-6"):
        subprocess.run(["ip", "-n", netns.scratch(machine), family, "neigh", "flush", "all"], check=True)


def forget_connections(machine: str) -> None:
    """Let a machine forget every connection that it tracks: what was let through before counts for nothing."""
    with netns.inside(machine), socket.socket(AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.sendto(DELETE_CONNECTIONS, (0, 0))
        (code,) = struct.unpack_from("=i", kernel.recv(4096), 16)
    if code:
        raise OSError(-code, f"{machine}: the kernel doesn't forget its connections")


def load(machine: str, *texts: str) -> None:
    """Load rulesets, each in a transaction of its own."""
    for text in texts:
        netns.nft(machine, "-f", "-", text=text)


def open_up(machine: str) -> None:
    """Take a machine's rules away."""
    netns.nft(machine, "flush", "ruleset")


def single_core() -> None:
    """Keep to one processor: what is sent first is then forwarded first."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
