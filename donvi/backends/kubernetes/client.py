"""A small client of the Kubernetes API: read, list, server-side apply, delete; safe for any number of threads.

It logs in with a certificate that lives for an hour at most; certificate and key exist in memory only. Every request
may be repeated, so it goes on trying while the API server restarts or asks to slow down, as long as its patience lasts.
"""

from __future__ import annotations

import json
import os
import random
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import urllib3

from donvi.backends.kubernetes.objects import MANAGER, Kind
from donvi.backends.kubernetes.refusals import CONFLICT, MISSING, Answer, Silence, refusal, unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from donvi.backends.client_certificate import Credential

APPLY = "application/apply-patch+yaml"  # JSON is YAML
PAGE = 500
FIRST_WAIT, LONGEST_WAIT = 0.2, 3.0
RENEW_BEFORE = timedelta(minutes=5)
WORTH_WAITING = frozenset({429, 500, 502, 503, 504})


class KubernetesClient:
    """One cluster as one operator sees it.

    :param server: ``https://host:6443``.
    :param ca: PEM of what the server's certificate is verified with; nothing else is trusted.
    :param credential: makes a credential; called at the first request and again shortly before it ends.
    :param timeout: seconds that one exchange may take.
    :param patience: seconds that a request goes on trying while the API server is away or asks to slow down.
    """

    def __init__(
        self,
        server: str,
        ca: str,
        credential: Callable[[], Credential],
        *,
        timeout: float = 15.0,
        patience: float = 30.0,
    ) -> None:
        self.server = server.rstrip("/")
        self.timeout = timeout
        self.patience = patience
        self._ca = ca
        self._credential = credential
        self._pool: urllib3.PoolManager | None = None
        self._until = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections and forget the credential."""
        with self._lock:
            if self._pool is not None:
                self._pool.clear()
            self._pool = None

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """Return an object, or ``None`` when there is none of that name."""
        answer = self._request("GET", kind.path(namespace, name))
        if answer.status == MISSING:
            return None
        return self._body(answer, f"read {kind.name} {_full(namespace, name)}")

    def list(
        self, kind: Kind, namespace: str = "", *, labels: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield all objects of a kind, of one namespace or of all, that carry the labels; in pages."""
        asked = {"limit": str(PAGE)}
        if labels:
            asked["labelSelector"] = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        while True:
            found = self._body(self._request("GET", kind.path(namespace), asked), f"list {kind.plural}")
            yield from found.get("items") or ()
            rest = (found.get("metadata") or {}).get("continue")
            if not rest:
                return
            asked["continue"] = str(rest)

    def plurals(self, api_version: str) -> dict[str, str]:
        """Return the kinds that a version of a group has, each with the plural it is served under."""
        answer = self._request("GET", Kind(api_version, "", "").path().rstrip("/"))
        if answer.status == MISSING:
            return {}
        found = self._body(answer, f"ask what {api_version} has")
        return {item["kind"]: item["name"] for item in found.get("resources") or () if "/" not in item["name"]}

    def apply(self, kind: Kind, wanted: Mapping[str, Any], *, force: bool = False) -> dict[str, Any]:
        """Bring an object to hold the given fields, as field manager ``donvi``, and return it.

        :param force: also take fields that somebody else owns.
        :raises ConflictError: somebody else owns a field; the message names whom and the field.
        """
        metadata = wanted["metadata"]
        namespace, name = str(metadata.get("namespace", "")), str(metadata["name"])
        asked = {"fieldManager": MANAGER, "force": str(force).lower(), "fieldValidation": "Strict"}
        body = json.dumps({"apiVersion": kind.api_version, "kind": kind.name, **wanted}).encode()
        answer = self._request("PATCH", kind.path(namespace, name), asked, body)
        return self._body(answer, f"apply {kind.name} {_full(namespace, name)}", secret=wanted)

    def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete just the object of that uid; one that is gone, or was replaced since, is success."""
        body = json.dumps({"preconditions": {"uid": uid}, "propagationPolicy": "Background"}).encode()
        answer = self._request("DELETE", kind.path(namespace, name), None, body, "application/json")
        if answer.status not in {MISSING, CONFLICT}:
            self._body(answer, f"delete {kind.name} {_full(namespace, name)}")

    def _body(self, answer: Answer, what: str, *, secret: object = None) -> dict[str, Any]:
        if not answer.good:
            raise refusal(what, answer, secret=secret)
        return answer.body

    def _request(
        self,
        method: str,
        path: str,
        asked: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = APPLY,
    ) -> Answer:
        deadline, wait = time.monotonic() + self.patience, FIRST_WAIT
        while True:
            answer = self._exchange(method, path, asked, body, content_type)
            if isinstance(answer, Answer):
                if answer.status not in WORTH_WAITING or time.monotonic() >= deadline:
                    return answer
            elif answer.final or time.monotonic() >= deadline:
                raise unreachable(self.server, f"{method} {path}", answer)
            pause = min(answer.retry_after or random.uniform(wait / 2, wait), LONGEST_WAIT)  # noqa: S311
            time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
            wait = min(wait * 2, LONGEST_WAIT)

    def _exchange(
        self, method: str, path: str, asked: Mapping[str, str] | None, body: bytes | None, content_type: str
    ) -> Answer | Silence:
        headers = {"Accept": "application/json", **({"Content-Type": content_type} if body else {})}
        url = f"{self.server}{path}{f'?{urlencode(asked)}' if asked else ''}"
        pool = self._connected()
        try:
            response = pool.request(method, url, body=body, headers=headers, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            # no error of the library leaves: it may hold the request, and the request a key
            return Silence(_reason(error), final=isinstance(error, urllib3.exceptions.SSLError))
        return Answer.of(response.status, response.data, response.headers.get("Retry-After", ""))

    def _connected(self) -> urllib3.PoolManager:
        with self._lock:
            now = datetime.now(UTC)
            if self._pool is None or now >= self._until - RENEW_BEFORE:
                credential = self._credential()
                self._pool = urllib3.PoolManager(
                    maxsize=8,
                    retries=False,
                    timeout=self.timeout,
                    ssl_context=_context(self._ca, credential),
                )
                # a credential that is short from the beginning is used to its end
                self._until = max(credential.expires, now + 2 * RENEW_BEFORE)
            return self._pool


def _context(ca: str, credential: Credential) -> ssl.SSLContext:
    """Return a context that trusts the one authority and shows the certificate; the key passes through memory only."""
    context = ssl.create_default_context(cadata=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    descriptor = os.memfd_create("donvi-credential", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, f"{credential.certificate.strip()}\n{credential.key.strip()}\n".encode())
        context.load_cert_chain(Path(f"/proc/self/fd/{descriptor}"))
    finally:
        os.close(descriptor)
    return context


def _full(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def _reason(error: BaseException) -> str:
    """Return the innermost error's words; none of them repeat a request."""
    while True:
        around = (getattr(error, "reason", None), error.__cause__, *error.args)
        inner = next((part for part in around if isinstance(part, BaseException)), None)
        if inner is None:
            break
        error = inner
    if verdict := getattr(error, "verify_message", ""):
        return f"its certificate isn't good: {verdict}"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.rsplit(": ", 1)[-1] or type(error).__name__
