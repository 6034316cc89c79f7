"""Where the pages come from: the lab's gateway when there is one, else the site server on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from donvi import deployment
from donvi.registry import load_city
from donvi.site import render
from donvi.tenancy import describe
from lab import images, record
from lab.network import NAMESPACES
from lab.settings import LabSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from donvi.registry import City
    from donvi.tenancy.model import SitePage
    from tests.support.ca import Authority

READY_SECONDS = 20


@dataclass(frozen=True)
class Served:
    """A unit's site as a browser reaches it.

    :param place: ``address:port`` that the host name leads to.
    :param root: PEM of the root that its certificate comes from.
    :param namespace: network namespace from which it is reached; None: the host's own.
    """

    page: SitePage
    place: str
    root: str
    namespace: Path | None = None

    @property
    def url(self) -> str:
        return f"https://{self.page.host}/"


@cache
def _city() -> City:
    return load_city()


@cache
def page_of(code: str) -> SitePage:
    """What the unit's site says."""
    (page,) = (app.page for app in describe(_city(), code).apps if app.page)
    return page


def every_page() -> list[SitePage]:
    """What the sites of all units say."""
    return [page_of(code) for code in _city().units]


def gateway(code: str) -> Served | None:
    """The unit's site behind the lab's gateway, seen from the unit's own workstation; None without such a lab."""
    settings = LabSettings.from_environment()
    known, file = record.load(settings), settings.home / "deployment.json"
    namespace = NAMESPACES / settings.label(f"ws-{code}")
    if known is None or known.owner != str(settings.repository) or not file.exists() or not namespace.exists():
        return None
    cluster = deployment.parse(file.read_text(), source=str(file)).cluster
    if cluster is None:
        return None
    root = (settings.home / "pki/root.crt").read_text()
    return Served(page_of(code), cluster.gateway, root, namespace)


@contextmanager
def loopback(code: str, folder: Path, authority: Authority) -> Iterator[Served]:
    """Serve the unit's site with the program that serves it in the cluster, and a certificate of a root of our own."""
    page = page_of(code)
    pages, pair = folder / "pages", folder / "tls"
    for place in (pages, pair):
        place.mkdir(parents=True)
    for name, text in render(page).items():
        (pages / name).write_text(text, encoding="utf-8")
    certificate, key = authority.server(folder, hosts=(page.host,))
    shutil.move(certificate, pair / "tls.crt")
    shutil.move(key, pair / "tls.key")
    variables = {
        "SITE_FOLDER": str(pages),
        "SITE_TLS": str(pair),
        "SITE_HTTPS": "127.0.0.1:0",
        "SITE_HTTP": "127.0.0.1:0",
        "SITE_LINGER": "0s",
    }
    program, record_of_it = images.programs(LabSettings.from_environment()) / "site", folder / "log"
    with record_of_it.open("w") as log:
        process = subprocess.Popen([program], env={**os.environ, **variables}, stdout=log, stderr=log)
        try:
            yield Served(page, _address(process, record_of_it), authority.pem)
        finally:
            process.terminate()
            process.wait(timeout=READY_SECONDS)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the server is ready; return where it serves pages."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        assert process.poll() is None, f"the site server ended: {log.read_text()}"
        assert time.monotonic() < deadline, f"the site server isn't ready: {log.read_text()}"
        said = [line for line in log.read_text().splitlines() if '"serving"' in line]
        if said and _ready(json.loads(said[0])["questions"]):
            return str(json.loads(said[0])["pages"])
        time.sleep(0.05)


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
