#!/usr/bin/python3
"""Stand-in of a shared system: proves a tenancy, holds no data.

    GET /<code>/<role>   as a person (HTTP Basic, uid or address): 200 if the account holds the role in the unit
    GET /<code>/api      as the unit's machine, where the system has such an interface

A client certificate of the city's root is demanded before anything is said; the unit is read from its SAN
``urn:donvi:unit:<code>``; who is who and who may what is asked of the directory at every request. Answers:
no or a revoked certificate: refused handshake. Wrong password: 401. Another unit or no role: 403. Directory down: 503.

Usage: donvi-system /etc/donvi/systems/<id>.json
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import socket
import ssl
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import ldap
import ldap.dn
import ldap.filter
from ldap.ldapobject import ReconnectLDAPObject

SECONDS = 10  # for a handshake, a request, an answer of the directory or of Vault
CONNECTIONS = 64  # at once
LIST_AGE = 10  # seconds for which a revocation list isn't fetched again
UNIT_URN = "urn:donvi:unit:"
PATH = re.compile(r"/([0-9]{5})/([a-z][a-z0-9-]{0,63})")


class RefusedError(Exception):
    """The request gets this status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Account:
    """Who logged in, and the unit whose subtree holds the account."""

    name: str
    dn: str
    unit: str


class Trust:
    """TLS settings that follow the published revocation lists."""

    def __init__(self, settings: dict[str, Any], key: Path, folder: Path) -> None:
        self._settings = settings
        self._key = key
        self._lists = folder / "revoked.pem"
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._context = self._build()

    def context(self) -> ssl.SSLContext:
        """The settings for a new connection; fetches the lists when they are older than LIST_AGE."""
        with self._lock:
            if time.monotonic() - self._asked > LIST_AGE:
                self._asked = time.monotonic()
                self._refresh()
            return self._context

    def _refresh(self) -> None:
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self._settings["root"])),
        )
        try:
            lists = [opener.open(url, timeout=SECONDS).read() for url in self._settings["revocation_lists"]]
        except OSError as error:
            # the lists at hand are good until their own end; without any, OpenSSL refuses everybody
            log(event="revocation lists not fetched", reason=str(error))
            return
        self._lists.write_bytes(b"\n".join(lists))
        self._context = self._build()

    def _build(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._settings["certificate"], self._key)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        context.load_verify_locations(cafile=self._settings["root"])
        if self._lists.exists():
            context.load_verify_locations(cafile=str(self._lists))
        return context


class Directory:
    """What the system asks of the city's directory."""

    def __init__(self, settings: dict[str, Any], password: str) -> None:
        self._settings = settings
        self._password = password
        self._units = f"ou=units,{settings['base']}"
        self._lock = threading.Lock()
        self._connection: ReconnectLDAPObject | None = None

    def login(self, name: str, password: str) -> Account:
        """Find the account by uid or address and prove the password by binding.

        :raises RefusedError: 401, without saying whether the name or the password was wrong.
        """
        if not name or not password:  # a bind without password is anonymous and would succeed
            raise RefusedError(401, "name and password are needed")
        account, must_change = self._find(name)
        connection = self._open()
        try:
            connection.simple_bind_s(account.dn, password)
        except ldap.INVALID_CREDENTIALS:
            raise RefusedError(401, "wrong name or password") from None
        finally:
            connection.unbind_s()
        if must_change:
            raise RefusedError(403, "the first password must be changed before anything else")
        return account

    def holds(self, account: Account, role: str) -> bool:
        """Whether the account is in the unit's group of the role."""
        group = f"cn={self._settings['system']}-{role},ou=groups,ou={account.unit},{self._units}"
        with self._lock:
            try:
                return bool(self._service().compare_s(group, "member", account.dn.encode()))
            except ldap.NO_SUCH_OBJECT:
                return False

    def _find(self, name: str) -> tuple[Account, bool]:
        escaped = ldap.filter.escape_filter_chars(name)
        query = f"(&(objectClass=posixAccount)(|(uid={escaped})(mail={escaped})))"
        with self._lock:
            found = self._service().search_s(self._units, ldap.SCOPE_SUBTREE, query, ["uid", "pwdReset"])
        if len(found) != 1:
            raise RefusedError(401, "wrong name or password")
        dn, attributes = found[0]
        # uid=…,ou=people|probes,ou=<code>,ou=units,…
        unit = ldap.dn.str2dn(dn)[2][0][1]
        return Account(attributes["uid"][0].decode(), dn, unit), attributes.get("pwdReset") == [b"TRUE"]

    def _service(self) -> ReconnectLDAPObject:
        if self._connection is None:
            connection = self._open()
            connection.simple_bind_s(self._settings["bind_dn"], self._password)
            self._connection = connection
        return self._connection

    def _open(self) -> ReconnectLDAPObject:
        connection = ReconnectLDAPObject(self._settings["url"], retry_max=2, retry_delay=0.2)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, SECONDS)
        connection.set_option(ldap.OPT_TIMEOUT, SECONDS)
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, self._settings["root"])
        connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        return connection


class Server(ThreadingHTTPServer):
    """Listens on both families; handshakes happen in the connection's own thread."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, settings: dict[str, Any], trust: Trust, directory: Directory) -> None:
        self.settings = settings
        self.directory = directory
        self._trust = trust
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(("::", settings["port"]), Handler)

    def server_bind(self) -> None:
        """Take IPv4 as well."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then serve one request."""
        with self._free:
            request.settimeout(SECONDS)
            try:
                secure = self._trust.context().wrap_socket(request, server_side=True)
            except OSError as error:
                log(event="handshake refused", client=client_address[0], reason=str(error))
                return
            with secure:
                Handler(secure, client_address, self)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    server_version = "donvi-system"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer who the caller is, or why not."""
        try:
            status, body = 200, self._authorised()
        except RefusedError as refusal:
            status, body = refusal.status, {"error": refusal.reason}
        except ldap.LDAPError as error:
            status, body = 503, {"error": "the directory doesn't answer"}
            log(event="directory failed", reason=type(error).__name__)
        log(event="request", client=self.client_address[0], path=self.path[:128], status=status, **body)
        self._send(status, body)

    def _authorised(self) -> dict[str, str]:
        unit = self._unit()
        match = PATH.fullmatch(self.path)
        if not match:
            raise RefusedError(404, "paths are /<code>/<role>")
        code, role = match.groups()
        if role == "api" and self.server.settings["unit_bound"]:
            if code != unit:
                raise RefusedError(403, "the certificate is another unit's")
            return {"unit": unit}
        account = self.server.directory.login(*self._credentials())
        if not account.unit == unit == code:
            raise RefusedError(403, "account, certificate and path must be of one unit")
        if role not in self.server.settings["roles"] or not self.server.directory.holds(account, role):
            raise RefusedError(403, "the account doesn't hold the role")
        return {"unit": unit, "account": account.name, "role": role}

    def _unit(self) -> str:
        names = self.connection.getpeercert().get("subjectAltName", ())
        units = [value.removeprefix(UNIT_URN) for kind, value in names if kind == "URI" and value.startswith(UNIT_URN)]
        if len(units) != 1:
            raise RefusedError(403, "the certificate names no unit")
        return units[0]

    def _credentials(self) -> tuple[str, str]:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic":
            raise RefusedError(401, "name and password are needed")
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise RefusedError(401, "the Authorization header can't be read") from None
        return name, password

    def _send(self, status: int, body: dict[str, str]) -> None:
        raw = json.dumps(body, ensure_ascii=False).encode() + b"\n"
        self.send_response(status)
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", f'Basic realm="{self.server.settings["system"]}", charset="UTF-8"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Requests are logged once they are judged."""


def log(**fields: Any) -> None:
    """One line of JSON for the journal; never holds a password."""
    print(json.dumps(fields, ensure_ascii=True), file=sys.stderr, flush=True)


def ready() -> None:
    """Tell systemd that connections are taken."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect("\0" + address[1:] if address.startswith("@") else address)
            notify.sendall(b"READY=1")


def main() -> None:
    """Serve until stopped."""
    settings = json.loads(Path(sys.argv[1]).read_text())
    credentials = Path(os.environ["CREDENTIALS_DIRECTORY"])
    trust = Trust(settings, credentials / "key", Path(os.environ["RUNTIME_DIRECTORY"]))
    directory = Directory(settings, (credentials / "directory-password").read_text().strip())
    with Server(settings, trust, directory) as server:
        ready()
        server.serve_forever()


if __name__ == "__main__":
    main()
