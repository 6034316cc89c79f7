"""Asks the cluster's API over one connection, as whoever shows a certificate; refusals are answers, not errors."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import msgspec

from donvi.backends.client_certificate import client_context
from donvi.verify.ask import InconclusiveError

if TYPE_CHECKING:
    from donvi.backends.client_certificate import Credential
    from donvi.deployment import ClusterPlace

TIMEOUT = 8.0
DRY_RUN = "?dryRun=All"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the API answered; 0: it wasn't asked."""

    status: int = 0
    message: str = ""
    items: tuple[dict[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"HTTP {self.status} {self.message}".rstrip()


class ClusterApi:
    """One caller's connection.

    :param place: where the cluster is.
    """

    def __init__(self, place: ClusterPlace, credential: Credential) -> None:
        where = urlsplit(place.server)
        context = client_context(place.ca, credential)
        self._server = place.server
        self._link = http.client.HTTPSConnection(where.hostname or "", where.port, context=context, timeout=TIMEOUT)

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Reply:
        """Make one request.

        :raises InconclusiveError: nobody answers, or the API itself is in trouble.
        """
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            self._link.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = self._link.getresponse()
            answer = json.loads(response.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise InconclusiveError(f"the cluster at {self._server} doesn't answer: {error}") from None
        if response.status >= http.client.INTERNAL_SERVER_ERROR or response.status == http.client.TOO_MANY_REQUESTS:
            raise InconclusiveError(f"the cluster at {self._server} can't answer now: {answer.get('message')}")
        if response.status >= http.client.MULTIPLE_CHOICES:
            return Reply(status=response.status, message=str(answer.get("message", "")))
        return Reply(status=response.status, items=tuple(answer["items"] or ()) if "items" in answer else (answer,))

    def seen(self, path: str) -> tuple[dict[str, Any], ...]:
        """Return the objects at a path.

        :raises InconclusiveError: they can't be read.
        """
        reply = self.ask("GET", path)
        if reply.status != http.client.OK:
            raise InconclusiveError(f"the cluster doesn't show {path} to the verifier: {reply}")
        return reply.items


def core(namespace: str, plural: str, name: str = "") -> str:
    """Return the path of objects of the core group in a namespace."""
    return f"/api/v1/namespaces/{quote(namespace)}/{plural}{f'/{quote(name)}' if name else ''}"


def grouped(group: str, namespace: str, plural: str, name: str = "") -> str:
    """Return the path of objects of another group, e.g. ``apps/v1``, in a namespace."""
    return f"/apis/{group}/namespaces/{quote(namespace)}/{plural}{f'/{quote(name)}' if name else ''}"
