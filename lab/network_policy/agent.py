"""The service: watches, renders, loads, cuts, and notes what it has loaded."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import subprocess
import threading
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import connections
from .api import Api
from .isolation import Isolation, isolate
from .model import Cluster, read_pod, read_policy
from .ruleset import TABLE, closed, render
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .model import Address, Network

AGAIN = 30.0  # seconds after which everything is loaded once more, whatever happened to the table meanwhile
GATHER = 0.05  # seconds in which further changes are awaited, so that a rollout is few transactions
RETRY = 2.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the API is, who asks, and which networks pods have addresses of.

    :param status: file that tells what is loaded, for whoever must wait for it.
    """

    server: str
    ca: str
    certificate: str
    key: str
    pods: tuple[Network, ...]
    status: Path

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Read them from a JSON file."""
        found = json.loads(path.read_text())
        pods = tuple(ip_network(text) for text in found.pop("pods"))
        return cls(pods=pods, status=Path(found.pop("status")), **found)


class Agent:
    """Holds the node's rules to what the API says."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._wake = threading.Event()
        api = Api(settings.server, settings.ca, settings.certificate, settings.key)
        wake = self._wake.set
        self._pods = Watch(api, "/api/v1/pods", read_pod, wake)
        self._namespaces = Watch(api, "/api/v1/namespaces", _labels, wake)
        self._policies = Watch(api, "/apis/networking.k8s.io/v1/networkpolicies", read_policy, wake)
        self._loaded = ""  # the text that the kernel has
        self._sure = False  # that nothing happened to it since

    def run(self) -> None:
        """Go on until the process ends. Without the API the rules stay as they are; without rules nothing passes."""
        ensure_closed(self._settings)
        watches = (self._pods, self._namespaces, self._policies)
        for watch in watches:
            watch.start()
        for watch in watches:
            watch.listed.wait()
        pause = 0.0
        while True:
            self._wake.clear()
            try:
                self._hold()
                pause = AGAIN
            except (OSError, subprocess.SubprocessError) as error:
                log.error("%s; again in %.0f s", _words(error), RETRY)  # noqa: TRY400 the words say it all
                pause, self._sure = RETRY, False
            self._sure = self._wake.wait(pause) and self._sure
            threading.Event().wait(GATHER)

    def _hold(self) -> None:
        pods, _ = self._pods.current()
        namespaces, _ = self._namespaces.current()
        policies, versions = self._policies.current()
        cluster = Cluster(tuple(pods.values()), namespaces, tuple(policies.values()))
        isolation = isolate(cluster)
        text = render(isolation, self._settings.pods)
        if text != self._loaded or not self._sure:
            _load(text)
            cut(isolation, self._settings.pods)
            if text != self._loaded:
                log.info("%d pods, %d policies", len(pods), len(policies))
            self._loaded, self._sure = text, True
        self._note(
            {"digest": hashlib.sha256(text.encode()).hexdigest(), "policies": versions, "pods": _addresses(pods)}
        )
        _tell("READY=1")

    def _note(self, status: Mapping[str, Any]) -> None:
        draft = self._settings.status.with_suffix(".new")
        draft.write_text(json.dumps(status, indent=1, sort_keys=True) + "\n")
        draft.replace(self._settings.status)


def ensure_closed(settings: Settings) -> None:
    """Let nothing new pass from or to a pod, unless rules are loaded already."""
    if not _table_exists():
        _load(closed(settings.pods))


def cut(isolation: Isolation, pods: Sequence[Network]) -> None:
    """Remove the connections of pods that aren't allowed from the kernel's table: their next packet is judged anew."""
    local = _local_addresses()
    for family in sorted({network.version for network in pods}):
        listed = _run(["conntrack", "-L", "-f", f"ipv{family}"])
        for connection in connections.forbidden(connections.read(listed), isolation, pods, local):
            log.info("cutting %s", connection)
            # it may have ended by itself meanwhile
            subprocess.run(connection.deletion(), capture_output=True, check=False)


def _load(text: str) -> None:
    _run(["nft", "-f", "-"], text)


def _table_exists() -> bool:
    command = ["nft", "list", "table", "inet", TABLE]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _local_addresses() -> set[Address]:
    links = json.loads(_run(["ip", "-json", "address", "show"]))
    return {ip_address(entry["local"]) for link in links for entry in link.get("addr_info", []) if "local" in entry}


def _run(command: list[str], stdin: str = "") -> str:
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout


def _words(error: OSError | subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"{' '.join(error.cmd)}: {error.stderr.strip()}"
    return str(error)


def _labels(item: Mapping[str, Any]) -> dict[str, str]:
    return dict(item["metadata"].get("labels") or {})


def _addresses(pods: Mapping[str, Any]) -> dict[str, list[str]]:
    return {name: [str(address) for address in pod.addresses] for name, pod in pods.items()}


def _tell(message: str) -> None:
    """Tell systemd, if it started the process."""
    if place := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.connect(f"\0{place[1:]}" if place.startswith("@") else place)
            connection.send(message.encode())
