"""An sshd of the test's own on loopback, which trusts keys that the test's Vault signs.

Its logins see a copy of ``/etc`` that is gone with it: what scripts write there never reaches this host.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.vault_server import VaultServer, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN_ETC = """
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work"
mount -t overlay overlay -o lowerdir=/etc,upperdir="$1/upper",workdir="$1/work" /etc
exec "$0" -D -e -f "$2"
"""


@dataclass
class SshServer:
    """A running server: its port, and a file with its host key."""

    port: int
    known_hosts: Path


@contextmanager
def running(folder: Path, vault: VaultServer) -> Iterator[SshServer]:
    """Start sshd in the foreground and stop it at the end."""
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    assert Path(sshd).exists(), "apt-get install openssh-server"
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = free_port()
    host_key = make_key(folder / "host_key")
    (folder / "ca.pub").write_text(vault.root.get("ssh-client/config/ca")["public_key"])
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": host_key,
        "PidFile": "none",
        "TrustedUserCAKeys": folder / "ca.pub",
        "AuthorizedKeysFile": "none",
        "PasswordAuthentication": "no",
        "UsePAM": "no",
        "PermitRootLogin": "prohibit-password",
        "StrictModes": "no",
        "LogLevel": "VERBOSE",
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    log = (folder / "sshd.log").open("w")
    (folder / "etc").mkdir()
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-ec", OWN_ETC, sshd, str(folder / "etc"), str(folder / "sshd_config")], stderr=log
    )
    try:
        wait_for(port)
        known_hosts = folder / "known_hosts"
        known_hosts.write_text(known_host_line(port, host_key))
        yield SshServer(port, known_hosts)
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def known_host_line(port: int, host_key: Path) -> str:
    return f"[127.0.0.1]:{port} {Path(f'{host_key}.pub').read_text()}"


def wait_for(port: int, seconds: float = 20.0) -> None:
    """Return as soon as something listens on a port."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on port {port}"
            time.sleep(0.02)
        else:
            return
