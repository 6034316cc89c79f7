"""Connections on which both sides keep talking, on whatever machine it runs; standard library only, sent there by SSH.

The first line of standard input is a JSON object: ``{"listen": [port, …]}`` or ``{"connect": [[address, port], …]}``;
``ready`` answers when all listen or are connected. To every further line the answer is a JSON object: how many bytes
each connection has heard, by ``port/family``. It ends with its input.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys

TICK_SECONDS = 0.05
CONNECT_SECONDS = 5
FAMILIES = {socket.AF_INET: "4", socket.AF_INET6: "6"}


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    heard: dict[str, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        for port in asked.get("listen", ()):
            for family, name in FAMILIES.items():
                selector.register(listening(family, port), selectors.EVENT_READ, f"{port}/{name}")
        for address, port in asked.get("connect", ()):
            found = socket.create_connection((address, port), CONNECT_SECONDS)
            keep(selector, found, f"{port}/{FAMILIES[found.family]}", heard)
        print("ready", flush=True)
        while talk(selector, heard):
            pass


def listening(family: socket.AddressFamily, port: int) -> socket.socket:
    found = socket.socket(family)
    if family == socket.AF_INET6:
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("", port))
    found.listen()
    return found


def keep(selector: selectors.BaseSelector, talking: socket.socket, name: str, heard: dict[str, int]) -> None:
    talking.settimeout(0)
    selector.register(talking, selectors.EVENT_READ, name)
    heard.setdefault(name, 0)


def talk(selector: selectors.BaseSelector, heard: dict[str, int]) -> bool:
    """Say something on every connection, and take what comes; whether to go on."""
    for key, _ in selector.select(TICK_SECONDS):
        if key.fileobj is sys.stdin:
            if not sys.stdin.readline():
                return False
            print(json.dumps(heard), flush=True)
        elif key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            keep(selector, key.fileobj.accept()[0], key.data, heard)
        else:
            try:
                data = key.fileobj.recv(4096)
            except OSError:
                data = b""
            heard[key.data] += len(data)
            if not data:
                selector.unregister(key.fileobj)
    for key in list(selector.get_map().values()):
        if key.data and not key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            try:
                key.fileobj.send(b".")
            except OSError:
                continue  # its buffer is full, or it has ended
    return True


if __name__ == "__main__":
    main()
