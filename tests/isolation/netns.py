"""Scratch network namespaces: made, entered and removed. Never the host's own, never those of the lab."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFIX = "dviso-"
FOLDER = Path("/run/netns")
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def scratch(name: str) -> str:
    """Return the namespace of a machine of the proof."""
    return PREFIX + name


def make(names: Iterable[str]) -> None:
    """Make empty namespaces."""
    _ip("".join(f"netns add {scratch(name)}\n" for name in names))


def remove_all() -> None:
    """Remove every namespace of the proof, also what a killed run left; with it go its links and rules."""
    found = sorted(path.name for path in FOLDER.glob(f"{PREFIX}*"))
    _ip("".join(f"netns delete {name}\n" for name in found))


def configure(name: str, lines: Iterable[str]) -> None:
    """Run ip commands in a namespace."""
    _ip("\n".join(lines) + "\n", "-n", scratch(name))


def links(lines: Iterable[str]) -> None:
    """Run ip commands that name their namespaces themselves."""
    _ip("\n".join(lines) + "\n")


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """Be in a namespace: sockets, programs and ``/proc/sys/net`` are that namespace's meanwhile."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(FOLDER / scratch(name), os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(there)
        yield
    finally:
        _enter(home)
        os.close(home)
        os.close(there)


def nft(name: str, *arguments: str, text: str | None = None) -> str:
    """Run nft in a namespace.

    :raises RuntimeError: the kernel refuses; the message says what.
    """
    with inside(name):
        done = subprocess.run(["nft", *arguments], input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: nft refuses: {done.stderr.strip()[:400]}")
    return done.stdout


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "can't enter the network namespace; the proof needs root")


def _ip(text: str, *arguments: str) -> None:
    done = subprocess.run(["ip", *arguments, "-batch", "-"], input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip refuses: {done.stderr.strip()[:400]}")
