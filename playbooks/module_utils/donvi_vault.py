"""What the Vault modules share: a short-lived session got by an operator's client certificate.

Runs on the controller. Speaks the HTTP API that HashiCorp Vault and OpenBao have in common. A token lives for one
module call and is revoked at its end; no value read or written is ever logged.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Self

import requests

if TYPE_CHECKING:
    from types import TracebackType

    from ansible.module_utils.basic import AnsibleModule

CONNECTION = {
    "address": {"type": "str", "required": True},
    "ca_file": {"type": "path", "required": True},
    "client_certificate": {"type": "path", "required": True},
    "client_key": {"type": "path", "required": True, "no_log": False},
    "role": {"type": "str", "default": "administrator"},
}
TIMEOUT = 30  # seconds for one request
# how mounts, PKI engines and the SSH authority say "not there" with status 400
ABSENT = re.compile(r": 400 .*([Nn]o (secret|auth) engine|[Nn]o default issuer|keys haven't been configured|not found)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class VaultError(Exception):
    """Vault refused a request; the message holds method, path and Vault's own reasons."""


class VaultAbsentError(VaultError):
    """Nobody listens at the address yet."""


class Vault:
    """One authenticated session; use as a context manager."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._address = parameters["address"].rstrip("/")
        self._role = parameters["role"]
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = parameters["ca_file"]
        self._session.cert = (parameters["client_certificate"], parameters["client_key"])

    def __enter__(self) -> Self:
        answer = self.request("POST", "auth/cert/login", {"name": self._role})
        if not answer:
            raise VaultError(f"cert login as {self._role} is not set up: auth/cert does not answer")
        self._session.headers["X-Vault-Token"] = answer["auth"]["client_token"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # a token that can't be revoked any more ends by itself
        with contextlib.suppress(requests.exceptions.RequestException), self._session:
            if "X-Vault-Token" in self._session.headers:
                self._session.post(f"{self._address}/v1/auth/token/revoke-self", timeout=TIMEOUT)

    def request(self, method: str, path: str, data: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Send one request; the decoded answer, ``{}`` for an empty one, None when the path holds nothing.

        :raises VaultError: on any other status.
        :raises VaultAbsentError: when no connection can be made.
        """
        try:
            answer = self._session.request(method, f"{self._address}/v1/{path}", json=data, timeout=TIMEOUT)
        except requests.exceptions.SSLError as error:
            raise VaultError(f"TLS with {self._address} failed: {error}") from error
        except requests.exceptions.ConnectionError as error:
            raise VaultAbsentError(f"nothing answers at {self._address}") from error
        if answer.status_code == requests.codes.not_found:
            return None
        if not answer.ok:
            raise VaultError(f"{method} {path}: {answer.status_code} {reasons(answer)}")
        return answer.json() if answer.content else {}

    def read(self, path: str) -> dict[str, Any] | None:
        """Return the ``data`` of a path, or None when it holds nothing."""
        try:
            answer = self.request("GET", path)
        except VaultError as error:
            if ABSENT.search(str(error)):
                return None
            raise
        return None if answer is None else answer.get("data") or answer


def reasons(answer: requests.Response) -> str:
    """Vault's own words about a refusal."""
    try:
        return "; ".join(answer.json().get("errors", []))
    except ValueError:
        return answer.reason


def run_in_vault(module: AnsibleModule, work: Any) -> dict[str, Any]:
    """Call ``work(vault)`` and return its result for ``exit_json``.

    In check mode a Vault that isn't there yet is a change that can't be looked into, not a failure.
    """
    try:
        with Vault(module.params) as vault:
            return work(vault)
    except VaultAbsentError as error:
        if module.check_mode:
            return {"changed": True, "msg": f"not compared: {error}", "absent": True}
        module.fail_json(msg=str(error))
    except VaultError as error:
        if module.check_mode and "is not set up" in str(error):
            return {"changed": True, "msg": f"not compared: {error}", "absent": True}
        module.fail_json(msg=str(error))
    return {}


def seconds(text: str) -> int | None:
    """``30m`` → 1800; None when the text isn't a duration."""
    match = re.fullmatch(r"(\d+)([smhd]?)", text)
    return int(match[1]) * _UNITS[match[2]] if match else None


def same(declared: Any, actual: Any) -> bool:
    """Whether Vault's answer says what was declared, in whatever form it returns it."""
    if isinstance(declared, list):
        found = actual.split(",") if isinstance(actual, str) and actual else actual or []
        return sorted(map(str, declared)) == sorted(map(str, found))
    if isinstance(declared, dict):
        return isinstance(actual, dict) and all(same(value, actual.get(key)) for key, value in declared.items())
    if isinstance(declared, bool) or isinstance(actual, bool):
        return declared == actual
    if isinstance(actual, int):
        return seconds(str(declared)) == actual
    if isinstance(actual, list):
        return same(declared.split(","), actual)
    return str(declared).strip() == str(actual or "").strip()
