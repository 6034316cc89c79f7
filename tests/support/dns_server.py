"""A Knot of the test's own on loopback: the zone ``tphcm.test``, a TSIG key per unit, limited to the unit's names."""

from __future__ import annotations

import base64
import secrets
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.backends.dns import DnsUpdater, Tsig
from tests.support.ssh_server import wait_for
from tests.support.vault_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONE = "tphcm.test"
UNITS = {"26506": f"vung-tau.{ZONE}", "25747": f"thu-dau-mot.{ZONE}"}


@dataclass
class DnsServer:
    """A running server and its keys by owner."""

    port: int
    keys: dict[str, Tsig]

    def updater(self, owner: str) -> DnsUpdater:
        return DnsUpdater("127.0.0.1", self.port, self.keys[owner])


@contextmanager
def running(folder: Path) -> Iterator[DnsServer]:
    """Start knotd in the foreground and stop it at the end."""
    knotd = shutil.which("knotd") or "/usr/sbin/knotd"
    assert Path(knotd).exists(), "apt-get install knot"
    port = free_port()
    keys = {owner: Tsig(f"unit-{owner}", "hmac-sha256", _secret()) for owner in (*UNITS, "transfer")}
    soa = f"@ 3600 SOA ns1.{ZONE}. hostmaster.{ZONE}. 1 3600 600 86400 300\n@ NS ns1.{ZONE}.\nns1 A 127.0.0.1\n"
    (folder / f"{ZONE}.zone").write_text(f"$ORIGIN {ZONE}.\n$TTL 300\n{soa}")
    (folder / "knot.conf").write_text(_configuration(folder, port, keys))
    log = (folder / "knot.log").open("w")
    process = subprocess.Popen([knotd, "-c", str(folder / "knot.conf")], stdout=log, stderr=log)
    try:
        wait_for(port)
        yield DnsServer(port, keys)
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def _secret() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _configuration(folder: Path, port: int, keys: dict[str, Tsig]) -> str:
    key_items = "".join(
        f"  - id: {key.name}\n    algorithm: {key.algorithm}\n    secret: {key.secret}\n" for key in keys.values()
    )
    transfer = f"  - id: transfer\n    key: {keys['transfer'].name}\n    action: transfer\n"
    acl_items = transfer + "".join(
        f"  - id: {owner}\n    key: {keys[owner].name}\n    action: update\n    update-owner: name\n"
        f"    update-owner-match: sub-or-equal\n    update-owner-name: [ {domain}. ]\n"
        for owner, domain in UNITS.items()
    )
    return (
        f"server:\n    rundir: {folder}\n    listen: 127.0.0.1@{port}\n"
        f"database:\n    storage: {folder}\nlog:\n  - target: stderr\n    any: info\n"
        f"key:\n{key_items}acl:\n{acl_items}"
        f"zone:\n  - domain: {ZONE}.\n    storage: {folder}\n    file: {ZONE}.zone\n"
        f"    acl: [ {', '.join(UNITS)}, transfer ]\n"
    )
