"""The part of the Kubernetes API that is needed here: lists and watches, with a client certificate."""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPResponse

WATCH_SECONDS = 60  # after which the server ends a watch, and a new one begins where it ended
ANSWER_SECONDS = 30
PAGE = 500
GONE = 410


class ApiError(Exception):
    """The API can't be reached, or refuses."""


class GoneError(ApiError):
    """A watch asked for a time of which the server knows nothing any more: list again."""


class Api:
    """One API server. Every call has a connection of its own, so threads needn't share any."""

    def __init__(self, server: str, ca: str, certificate: str, key: str) -> None:
        place = urlsplit(server)
        if place.scheme != "https" or not place.hostname:
            raise ValueError(f"the API's address must be an https URL, not {server!r}")
        self._host, self._port = place.hostname, place.port or 443
        self._files = (ca, certificate, key)

    def list(self, path: str) -> tuple[list[dict[str, Any]], str]:
        """Return all objects of a kind, and the version from which a watch goes on.

        :raises ApiError: unreachable, or refused.
        """
        found: list[dict[str, Any]] = []
        more = ""
        while True:
            with self._get(
                path, {"limit": str(PAGE), **({"continue": more} if more else {})}, ANSWER_SECONDS
            ) as answer:
                page = self._json(answer.read())
            found += page.get("items") or []
            more = page["metadata"].get("continue", "")
            if not more:
                return found, page["metadata"]["resourceVersion"]

    def watch(self, path: str, version: str) -> Iterator[dict[str, Any]]:
        """Yield changes since a version until the server ends the watch.

        :raises GoneError: the version is too old.
        :raises ApiError: unreachable, refused, or the server reported an error.
        """
        query = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        with self._get(path, query, WATCH_SECONDS + ANSWER_SECONDS) as answer:
            for line in answer:
                event = self._json(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    kind = GoneError if status.get("code") == GONE else ApiError
                    raise kind(f"{path}: {status.get('message')}")
                yield event

    @contextmanager
    def _get(self, path: str, query: dict[str, str], seconds: float) -> Iterator[HTTPResponse]:
        ca, certificate, key = self._files
        try:
            # read each time: certificates are renewed
            context = ssl.create_default_context(cafile=ca)
            context.load_cert_chain(certificate, key)
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=context)
            with closing(connection):
                connection.request("GET", f"{path}?{urlencode(query)}", headers={"Accept": "application/json"})
                answer = connection.getresponse()
                if answer.status != http.client.OK:
                    text = answer.read(2000).decode(errors="replace").strip()
                    kind = GoneError if answer.status == GONE else ApiError
                    raise kind(f"{path}: {answer.status} {text}")
                with answer:
                    yield answer
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"{path}: {error}") from error

    @staticmethod
    def _json(data: bytes) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(data)
        except ValueError as error:
            raise ApiError(f"the answer isn't JSON: {error}") from error
        return found
