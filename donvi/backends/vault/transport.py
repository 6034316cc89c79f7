"""One HTTP exchange with Vault: sessions, back-off, and our errors instead of hvac's.

hvac's base error covers 403, 429 and 503 alike and carries whole response bodies; here each becomes its own error that
names the path, and no token or secret gets into a message.
"""

from __future__ import annotations

import random
import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from donvi.errors import (
    BackendError,
    PermissionDeniedError,
    SealedError,
    ThrottledError,
    UnreachableError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests
    from hvac.adapters import RawAdapter

OK = 200
BAD_REQUEST = 400
FORBIDDEN = 403
NOT_FOUND = 404
TOO_MANY = 429
UNAVAILABLE = 503

FIRST_WAIT = 0.2
LONGEST_WAIT = 5.0
SHORTEST_SECRET = 8

_TOKEN = re.compile(r"\b(?:hvs|hvb|hvr|s|b|r)\.[A-Za-z0-9_-]{16,}")
_UPGRADING = "Upgrading from non-versioned to versioned data"  # a KV-2 mount that is a second old


class MissingError(BackendError):
    """Vault has nothing at the path; callers that ask whether something exists catch it."""

    code = "missing"


def escape(*segments: str) -> str:
    """Join path segments, each escaped; a segment may itself hold slashes, never an empty part or dots.

    :raises UsageError: a part is empty, ``.`` or ``..``, or holds a control character.
    """
    parts = "/".join(segments).split("/")
    for part in parts:
        if part in {"", ".", ".."} or any(ord(character) < ord(" ") for character in part):
            raise UsageError(
                f"{'/'.join(segments)!r} is not a path in Vault", hint="use names without empty parts, dots or NUL"
            )
    return "/".join(quote(part, safe="") for part in parts)


class Transport:
    """Exchanges with one Vault server as one token; safe for any number of threads.

    :param address: ``https://host:8200``.
    :param ca_file: CA that the server's certificate is verified with; the environment's CAs and proxies are ignored.
    :param timeout: seconds that one exchange may take.
    :param patience: seconds that a request goes on trying while Vault asks to slow down (429) or is not ready (503).
    """

    def __init__(
        self, address: str, token: str, ca_file: str, *, timeout: float = 30.0, patience: float = 20.0
    ) -> None:
        if not address.startswith("https://"):
            raise UsageError(f"Vault's address {address!r} is not https", hint="set VAULT_ADDR to https://host:port")
        if not Path(ca_file).is_file():
            raise UsageError(f"Vault's CA file {ca_file} does not exist", hint="set VAULT_CACERT, or run `make lab-up`")
        self.address = address.rstrip("/")
        self.ca_file = ca_file
        self.timeout = timeout
        self.patience = patience
        self._token = token
        self._idle: list[RawAdapter] = []

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def get(self, path: str) -> dict[str, Any]:
        """Read a path and return its ``data``.

        :raises MissingError: nothing is there.
        """
        return self.request("get", path).get("data") or {}

    def find(self, path: str) -> dict[str, Any] | None:
        """Read a path and return its ``data``, or ``None`` when nothing is there."""
        try:
            return self.get(path)
        except MissingError:
            return None

    def list(self, path: str) -> list[str]:
        """Return the keys below a path, sorted; a folder ends with a slash."""
        try:
            return sorted(self.request("list", path).get("data", {}).get("keys") or [])
        except MissingError:
            return []

    def post(self, path: str, payload: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Write to a path and return the whole answer (``data``, ``auth``, ``wrap_info``)."""
        return self.request("post", path, payload or {})

    def delete(self, path: str) -> None:
        """Delete a path; nothing there is success."""
        try:
            self.request("delete", path)
        except MissingError:
            return

    def request(
        self, method: str, path: str, payload: Mapping[str, Any] | None = None, *, wrap_ttl: int = 0
    ) -> dict[str, Any]:
        """Exchange one request, waiting with growing, jittered pauses while Vault asks to.

        :param path: already escaped, below ``/v1/``.
        :param wrap_ttl: seconds that the answer stays wrapped; 0 for a plain answer.
        :raises MissingError: 404.
        :raises PermissionDeniedError: 403.
        :raises ThrottledError: still 429 when the patience is over.
        :raises SealedError: Vault is sealed; not retried.
        :raises UnreachableError: no connection, no verified TLS, or still 503 when the patience is over.
        """
        deadline = time.monotonic() + self.patience
        wait = FIRST_WAIT
        while True:
            response = self._exchange(method, path, payload, wrap_ttl)
            if response.ok and response.status_code < 300:  # noqa: PLR2004 - redirects are refused below
                return self._body(response)
            if not self._worth_waiting(response) or time.monotonic() >= deadline:
                raise self._error(method, path, payload, response)
            pause = min(self._asked_wait(response) or random.uniform(wait / 2, wait), LONGEST_WAIT)  # noqa: S311
            time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
            wait = min(wait * 2, LONGEST_WAIT)

    def sealed(self) -> bool:
        """Say whether Vault is sealed; needs no token."""
        response = self._exchange("get", "sys/seal-status", None, 0)
        return response.status_code == OK and bool(self._body(response).get("sealed"))

    def raw(self, path: str) -> bytes:
        """Read a path that answers with something other than JSON, such as a CRL.

        :raises MissingError: nothing is there.
        """
        response = self._exchange("get", path, None, 0)
        if response.status_code != OK:
            raise self._error("get", path, None, response)
        return response.content

    def _exchange(self, method: str, path: str, payload: Mapping[str, Any] | None, wrap_ttl: int) -> requests.Response:
        import requests  # here and below: a run that changes nothing asks nobody, and shouldn't wait for a library

        try:
            with self._adapter() as adapter:
                return adapter.request(  # type: ignore[no-any-return]
                    method, f"/v1/{path}", raise_exception=False, json=payload, wrap_ttl=wrap_ttl or None
                )
        except requests.exceptions.SSLError as error:
            reason = f"its TLS certificate could not be verified with {self.ca_file} ({_innermost(error)})"
        except requests.exceptions.Timeout:
            reason = f"it did not answer within {self.timeout:.0f} s"
        except (requests.exceptions.RequestException, OSError) as error:
            reason = _innermost(error)
        # raised out here: the library's error holds the request, and the request holds the token
        raise UnreachableError(
            f"Vault at {self.address} can't be reached: {reason}",
            hint="see whether it runs (`make lab-status`) and run the same command again",
        )

    @contextmanager
    def _adapter(self) -> Iterator[RawAdapter]:
        """Lend a connection to one thread at a time."""
        try:
            adapter = self._idle.pop()
        except IndexError:
            adapter = self._connect()
        try:
            yield adapter
        except BaseException:
            adapter.close()
            raise
        self._idle.append(adapter)

    def _connect(self) -> RawAdapter:
        import requests
        from hvac.adapters import RawAdapter

        session = requests.Session()
        session.trust_env = False  # REQUESTS_CA_BUNDLE would win over our CA, and a proxy would see the token
        session.verify = self.ca_file  # hvac takes a given session's `verify` over its own
        return RawAdapter(
            base_uri=self.address,
            token=self._token,
            session=session,
            timeout=self.timeout,
            allow_redirects=False,  # a redirect would carry the token to another host
        )

    def _worth_waiting(self, response: requests.Response) -> bool:
        if response.status_code == UNAVAILABLE:
            return not self.sealed()
        if response.status_code == BAD_REQUEST:
            return _UPGRADING in response.text
        return response.status_code == TOO_MANY

    def _error(
        self, method: str, path: str, payload: Mapping[str, Any] | None, response: requests.Response
    ) -> BackendError:
        said = self._said(path, payload, response)
        what = f"{method} {path}"
        if response.status_code == FORBIDDEN:
            return PermissionDeniedError(
                f"Vault does not allow this token to {what}: {said}",
                hint="take a token of the role `apply` (`donvi lab env`), or a new one if it has expired",
            )
        if response.status_code == NOT_FOUND:
            if said:  # an empty list of errors means that nothing is stored; a text means that nobody serves the path
                return BackendError(f"Vault can't {what}: {said}", hint="is the engine mounted? run `make up`")
            return MissingError(f"Vault has nothing at {path}")
        if response.status_code == TOO_MANY:
            return ThrottledError(
                f"Vault still asks to slow down after {self.patience:.0f} s: {what}", hint="run the same command again"
            )
        if response.status_code == UNAVAILABLE:
            return self._unavailable(what, said)
        return BackendError(
            f"Vault can't {what}: {said or f'status {response.status_code}'}",
            hint="point VAULT_ADDR at the active server" if response.is_redirect else "",
        )

    def _unavailable(self, what: str, said: str) -> BackendError:
        if self.sealed():
            return SealedError(
                f"Vault at {self.address} is sealed: {what} was not done",
                hint="unseal it and run the same command again; nothing is lost",
            )
        return UnreachableError(
            f"Vault at {self.address} was not ready within {self.patience:.0f} s: {said}",
            hint="run the same command again when it is active",
        )

    def _said(self, path: str, payload: Mapping[str, Any] | None, response: requests.Response) -> str:
        """Return Vault's own words on one line, without tokens, and without what a KV write carried."""
        errors = self._body(response).get("errors") or []
        text = re.sub(r"\s+", " ", "; ".join(str(error) for error in errors)).strip()
        text = _TOKEN.sub("(token)", text.replace(self._token, "(token)") if self._token else text)
        if path.startswith("kv/"):
            for value in _leaves(payload):
                text = text.replace(value, "(secret)")
        return text

    @staticmethod
    def _asked_wait(response: requests.Response) -> float:
        value = response.headers.get("Retry-After", "")
        return float(value) if value.isdigit() else 0.0

    @staticmethod
    def _body(response: requests.Response) -> dict[str, Any]:
        if not response.content:
            return {}
        try:
            body = response.json()
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


def _innermost(error: BaseException) -> str:
    """Return the operating system's or OpenSSL's words, which neither URL nor headers are part of."""
    while True:
        inner = next((a for a in error.args if isinstance(a, BaseException)), None) or getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return re.sub(r"\[Errno -?\d+\] ", "", text.rsplit(": ", 1)[-1]) or type(error).__name__


def _leaves(value: object) -> Iterator[str]:
    """Yield every text in a payload that is long enough to be a secret."""
    if isinstance(value, str):
        if len(value) >= SHORTEST_SECRET:
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
