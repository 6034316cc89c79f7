"""The ruleset in a real kernel: a node that forwards between pods in namespaces of their own, and real connections.

Every case first proves that all its targets answer without rules, so that a closed one is closed by the rules.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.network_policy.isolation import isolate
from lab.network_policy.ruleset import TABLE, closed, render
from tests.lab.network_policy.world import ADDRESSES, NAMESPACES, PODS, Ask, Case, ask, cases, pods

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "dnp-"
GATEWAY = "10.0.64.1"
CLONE_NEWNET = 0x40000000
NETLINK_NETFILTER = 12
# nlmsghdr of IPCTNL_MSG_CT_DELETE with request and acknowledgement, nfgenmsg; linux/netfilter/nfnetlink_conntrack.h
DELETE_CONNECTIONS = struct.pack("=IHHII", 20, 1 << 8 | 2, 0x1 | 0x4, 1, 0) + struct.pack("=BBH", 0, 0, 0)
ANSWER = 3.0  # seconds that an answer may take on a busy machine; asked again meanwhile
SILENCE = 0.6  # seconds without an answer, where a moment before there was one at once

_libc = ctypes.CDLL(None, use_errno=True)


def _ip(*lines: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{PREFIX}{name}", os.O_RDONLY)
    try:
        assert _libc.setns(there, CLONE_NEWNET) == 0
        yield
    finally:
        _libc.setns(home, CLONE_NEWNET)
        os.close(home)
        os.close(there)


def _remove() -> None:
    for path in Path("/run/netns").glob(f"{PREFIX}*"):
        subprocess.run(["ip", "netns", "delete", path.name], check=False)


class Node:
    """A machine that forwards, with its pods; every pod listens on the ports of all cases."""

    def __init__(self) -> None:
        names = list(ADDRESSES)
        _remove()
        _ip(*(f"netns add {PREFIX}{name}" for name in ("node", *names)))
        for number, name in enumerate(names):
            _connect(number, name)
        with inside("node"):
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        self._listeners = [_listen(name, port) for name in names for port in _ports()]

    def rules(self, text: str) -> None:
        with inside("node"):
            subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)

    def no_rules(self) -> None:
        self.rules(f"table inet {TABLE} {{}}\ndelete table inet {TABLE}\n")

    def forget_connections(self) -> None:
        """Empty the node's table of connections, which is what cutting all of them is."""
        with inside("node"):
            link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        with link:
            link.send(DELETE_CONNECTIONS)
            assert struct.unpack_from("=i", link.recv(100), 16) == (0,)

    def answered(self, asks: list[Ask], seconds: float) -> set[Ask]:
        """Try all connections at once; return those that came about within the time."""
        waiting, found = {}, set()
        for wanted in asks:
            with inside(wanted.source):
                connection = socket.socket()
            connection.settimeout(0)
            connection.connect_ex((ADDRESSES[wanted.target], wanted.port))
            waiting[connection] = wanted
        end = time.monotonic() + seconds
        while waiting and (left := end - time.monotonic()) > 0:
            for connection in select.select([], list(waiting), [], left)[1]:
                wanted = waiting.pop(connection)
                if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.add(wanted)
                connection.close()
        for connection in waiting:
            connection.close()
        return found

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()
        _remove()


def _connect(number: int, name: str) -> None:
    """Join a pod to the node as the plugin ptp does: a link each, the gateway's address on every one."""
    label, node, link = PREFIX + name, f"{PREFIX}node", f"v{number}"
    _ip(f"link add {link} netns {node} type veth peer name eth0 netns {label}")
    for command in (
        ["-n", node, "address", "add", f"{GATEWAY}/32", "dev", link],
        ["-n", node, "link", "set", link, "up"],
        ["-n", label, "link", "set", "lo", "up"],
        ["-n", label, "address", "add", f"{ADDRESSES[name]}/32", "dev", "eth0"],
        ["-n", label, "link", "set", "eth0", "up"],
        ["-n", label, "route", "add", "default", "via", GATEWAY, "dev", "eth0", "onlink"],
        ["-n", node, "route", "add", ADDRESSES[name], "dev", link],
    ):
        subprocess.run(["ip", *command], check=True)


def _ports() -> list[int]:
    return sorted({ask(text).port for case in cases() for text in [*case.open, *case.closed]})


def _listen(name: str, port: int) -> socket.socket:
    with inside(name):
        listener = socket.socket()
    listener.bind((ADDRESSES[name], port))
    listener.listen(64)
    return listener


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    made = Node()
    yield made
    made.close()


@pytest.mark.parametrize("case", cases(), ids=[case.name for case in cases()])
def test_the_kernel_lets_through_what_the_policies_mean(node: Node, case: Case) -> None:
    opens, closes = [ask(text) for text in case.open], [ask(text) for text in case.closed]
    node.no_rules()
    assert node.answered(opens + closes, ANSWER) == {*opens, *closes}, "a target is dead: this proves nothing"

    node.rules(render(isolate(case.cluster()), PODS))

    assert node.answered(opens, ANSWER) == set(opens)
    assert node.answered(closes, SILENCE) == set()


def test_a_pod_that_the_api_has_not_told_of_passes_nothing(node: Node) -> None:
    wanted = [Ask("unknown", "web", 80), Ask("outside", "unknown", 80), Ask("unknown", "outside", 80)]
    node.no_rules()
    assert node.answered(wanted, ANSWER) == set(wanted)
    node.rules(render(isolate(Case("", [], [], []).cluster()), PODS))
    assert node.answered(wanted, SILENCE) == set()
    assert node.answered([Ask("outside", "web", 80)], ANSWER)


def test_before_the_first_list_nothing_passes(node: Node) -> None:
    wanted = [Ask("web", "db", 80), Ask("outside", "web", 80)]
    node.no_rules()
    assert node.answered(wanted, ANSWER) == set(wanted)
    node.rules(closed(PODS))
    assert node.answered(wanted, SILENCE) == set()


def test_the_nodes_own_connections_pass_and_a_pods_to_the_node_are_its_egress(node: Node) -> None:
    node.no_rules()
    with inside("node"):
        listener = socket.create_server((GATEWAY, 22))
    case = Case("", [{"namespace": "a", "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}], [], [])

    def reaches_node() -> bool:
        with inside("web"):
            connection = socket.socket()
        connection.settimeout(SILENCE)
        with connection:
            return connection.connect_ex((GATEWAY, 22)) == 0

    assert reaches_node(), "the node is dead: this proves nothing"
    node.rules(render(isolate(case.cluster()), PODS))
    assert not reaches_node()
    with inside("node"):
        socket.create_connection((ADDRESSES["web"], 8443), ANSWER).close()
    listener.close()


@pytest.mark.parametrize("whole", [True, False], ids=["as it is", "without the rule"])
def test_the_other_end_cannot_take_up_a_connection_that_was_cut(node: Node, *, whole: bool) -> None:
    """Its next segment would be a new entry, in which what the isolated pod sends are answers."""
    node.no_rules()
    with inside("outside"):
        listener = socket.create_server((ADDRESSES["outside"], 7))
    with inside("web"):
        client = socket.create_connection((ADDRESSES["outside"], 7), ANSWER)
    server, _ = listener.accept()
    server.sendall(b"before")
    assert client.recv(100) == b"before"

    case = Case("", [{"namespace": "a", "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}], [], [])
    text = render(isolate(case.cluster()), PODS)
    if not whole:
        text = "\n".join(line for line in text.splitlines() if "tcp flags" not in line)
    node.rules(text)
    node.forget_connections()
    server.sendall(b"after")

    arrived = bool(select.select([client], [], [], SILENCE)[0])
    assert arrived is not whole
    for opened in (client, server, listener):
        opened.close()


def test_hundreds_of_pods_are_one_transaction_that_the_kernel_takes(node: Node) -> None:
    many = Case("", cases()[5].policies, [], []).cluster()
    pods_ = [
        type(pod)(pod.namespace, f"{pod.name}{n}", pod.labels, (pod.addresses[0] + 4 * n + 16,), pod.ports)
        for n in range(50)
        for pod in pods()
    ]
    node.rules(render(isolate(type(many)((*pods(), *pods_), NAMESPACES, many.policies)), PODS))
    assert node.answered([Ask("twin", "web", 8443)], ANSWER)
