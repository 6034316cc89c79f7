"""The Kubernetes API by plain REST: TLS verified, refused credentials renewed, an absent server waited for.

Every request may be repeated: the plugin only reads, applies (server-side, by one manager) and deletes.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from donvi.errors import PermissionDeniedError, UnreachableError
from lab.kubernetes_plugin.answers import JSON_TYPE, Answer
from lab.kubernetes_plugin.errors import TOO_MANY, ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lab.kubernetes_plugin.credentials import Credentials, Session
    from lab.kubernetes_plugin.deadline import Deadline

UNAUTHENTICATED = 401
OK = 200
BUSY = frozenset({TOO_MANY, 502, 503, 504})
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 65.0
FIRST_PATIENCE_SECONDS = 15.0
"""How long to wait for a server that never answered this process: its address may be wrong."""
LONGEST_PAUSE_SECONDS = 3.0
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')


@dataclass
class Client:
    """Sends requests; safe for many threads.

    :param server: ``https://host:port``.
    :param server_name: the name in its certificate when it isn't the address's.
    """

    server: str
    credentials: Credentials
    server_name: str = ""
    connections: int = 32
    _pools: dict[int, urllib3.PoolManager] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _answered: threading.Event = field(default_factory=threading.Event)

    def get(self, path: str, deadline: Deadline, query: Mapping[str, str] | None = None) -> Any:
        """Fetch a path.

        :raises ApiError: the server refused.
        :raises UnreachableError: nobody answered until the deadline.
        """
        return self.request("GET", path, deadline, query=query).body

    def request(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: str = JSON_TYPE,
    ) -> Answer:
        """Send a request, again and again while the server is away or busy.

        :raises ApiError: the server refused.
        :raises PermissionDeniedError: it doesn't accept the credentials, also not fresh ones.
        :raises UnreachableError: nobody answered until the deadline.
        """
        pause, session = 0.1, self.credentials.session()
        renewed = False
        while True:
            deadline.check()
            try:
                response = self._send(session, method, path, query, body=body, content=content)
            except (HTTPError, OSError) as error:
                self._wait_for_server(deadline, session, error)
                continue
            self._answered.set()
            if response.status == UNAUTHENTICATED and not renewed:
                session, renewed = self.credentials.session(session), True
                continue
            if response.status in BUSY and not deadline.over:
                deadline.sleep(max(pause, _retry_after(response)))
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                continue
            return self._answer(response)

    def watch(self, path: str, query: Mapping[str, str], seconds: int) -> Iterator[dict[str, Any]]:
        """Yield events of a watch until its end; a broken connection just ends it."""
        session = self.credentials.session()
        asked = {**query, "watch": "true", "timeoutSeconds": str(seconds)}
        try:
            response = self._send(session, "GET", path, asked, stream=True)
            try:
                yield from _events(response)
            finally:
                response.release_conn() if response.closed else response.close()
        except (HTTPError, OSError, ValueError):
            return

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.clear()

    def _send(
        self,
        session: Session,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        *,
        body: Any = None,
        content: str = JSON_TYPE,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {**session.headers, "Accept": JSON_TYPE, "User-Agent": "donvi-lab-kubernetes-plugin"}
        data = None
        if body is not None:
            data = json.dumps(body, ensure_ascii=False).encode()
            headers["Content-Type"] = content
        pool = self._pool(session)
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)
        return pool.request(
            method, url, body=data, headers=headers, retries=False, timeout=timeout, preload_content=not stream
        )

    def _pool(self, session: Session) -> urllib3.PoolManager:
        with self._lock:
            if session.number not in self._pools:
                name = self.server_name or None
                self._pools[session.number] = urllib3.PoolManager(
                    num_pools=1,
                    maxsize=self.connections,
                    ssl_context=session.context,
                    server_hostname=name,
                    assert_hostname=name,
                )
            return self._pools[session.number]

    def _wait_for_server(self, deadline: Deadline, session: Session, error: Exception) -> None:
        """Return when the server says that it is ready; its first answers after a start are still refusals."""
        if _distrusted(error):
            raise _unreachable(self.server, error)
        patience = deadline.left if self._answered.is_set() else min(deadline.left, FIRST_PATIENCE_SECONDS)
        end, pause = deadline.left - patience, 0.1
        while deadline.left > end:
            deadline.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            try:
                if self._send(session, "GET", "/readyz", None).status == OK:
                    return
            except (HTTPError, OSError) as again:
                error = again
        raise _unreachable(self.server, error)

    def _answer(self, response: urllib3.BaseHTTPResponse) -> Answer:
        try:
            body = json.loads(response.data) if response.data else None
        except ValueError:
            body = None
        if response.status == UNAUTHENTICATED:
            raise PermissionDeniedError(
                f"the API server {self.server} doesn't accept the credentials", hint="Log in again, then run this again"
            )
        if response.status >= 400:  # noqa: PLR2004 - of HTTP
            raise ApiError.parse(response.status, body)
        return Answer(body, _warnings(response))


def _unreachable(server: str, error: Exception) -> UnreachableError:
    return UnreachableError(
        f"the API server {server} doesn't answer ({getattr(error, 'reason', error)})",
        hint="Start it, check the provider's kubeconfig, then run this again: it goes on where it stopped",
    )


def _distrusted(error: BaseException | None) -> bool:
    """Say whether the server couldn't prove who it is; waiting doesn't change that."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _events(response: urllib3.BaseHTTPResponse) -> Iterator[dict[str, Any]]:
    rest = b""
    for chunk in response.stream(amt=None, decode_content=True):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _retry_after(response: urllib3.BaseHTTPResponse) -> float:
    given = response.headers.get("Retry-After", "")
    return float(given) if given.isdigit() else 0.0


def _warnings(response: urllib3.BaseHTTPResponse) -> tuple[str, ...]:
    given = response.headers.getlist("Warning") if "Warning" in response.headers else []
    return tuple(text.replace('\\"', '"') for line in given for text in _WARNING.findall(line))
