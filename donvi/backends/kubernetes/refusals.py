"""What the API server answers when it doesn't do something, as this project's errors with a remedy."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from donvi.errors import (
    BackendError,
    ConflictError,
    PermissionDeniedError,
    ThrottledError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

UNAUTHORISED, FORBIDDEN, MISSING, CONFLICT, TOO_MANY, SERVER = 401, 403, 404, 409, 429, 500
SHORTEST_SECRET = 8

_KINDS: dict[int, tuple[type[BackendError | ConflictError], str]] = {
    UNAUTHORISED: (
        PermissionDeniedError,
        "take a new token (`donvi lab env`); the certificate for the cluster follows from it",
    ),
    MISSING: (BackendError, "is the namespace gone? `pulumi up --refresh` makes it again"),
    CONFLICT: (ConflictError, "let the other manager give the field up, or take it out of the program"),
    TOO_MANY: (ThrottledError, "run the same command again"),
}


@dataclass(frozen=True)
class Answer:
    """One answer: its status, its JSON body, and the seconds after which it asks to be asked again."""

    status: int
    body: dict[str, Any]
    retry_after: float = 0.0

    @classmethod
    def of(cls, status: int, data: bytes, retry_after: str) -> Answer:
        """Read a response."""
        try:
            body = json.loads(data) if data else {}
        except ValueError:
            body = {}
        return cls(status, body if isinstance(body, dict) else {}, float(retry_after) if retry_after.isdigit() else 0.0)

    @property
    def good(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of success


@dataclass(frozen=True)
class Silence:
    """No answer, and why; final when waiting can't help."""

    reason: str
    final: bool
    retry_after: float = 0.0


def unreachable(server: str, what: str, silence: Silence) -> UnreachableError:
    """Make the error for an API server that doesn't answer."""
    return UnreachableError(
        f"the cluster at {server} can't be reached ({silence.reason}): {what} was not done",
        hint="see whether its API server runs (`donvi lab status`), then run the same command again",
    )


def refusal(what: str, answer: Answer, *, secret: object = None) -> BackendError | ConflictError:
    """Make the error for an answer that isn't success.

    :param what: the operation and the object, which names the unit by its namespace.
    :param secret: what was sent; none of its longer values appears in the message.
    """
    said = _said(answer, secret)
    message = f"the cluster refused to {what}: {said}"
    if answer.status == FORBIDDEN:
        return _forbidden(message, said)
    if answer.status >= SERVER:
        return UnreachableError(message, hint="see the API server's log, then run the same command again")
    kind, hint = _KINDS.get(answer.status, (BackendError, "correct what the message names"))
    return kind(message, hint=hint)


def _forbidden(message: str, said: str) -> BackendError:
    if "exceeded quota" in said:
        return BackendError(message, hint="delete what isn't needed, or raise `pods` of the app in the catalogue")
    if "being terminated" in said:
        return BackendError(message, hint="wait until the namespace is gone, then run the same command again")
    return PermissionDeniedError(message, hint="take a token of the role `apply` (`donvi lab env`)")


def _said(answer: Answer, secret: object) -> str:
    """Return the server's own words on one line, without anything that was sent."""
    text = re.sub(r"\s+", " ", str(answer.body.get("message") or f"status {answer.status}")).strip()
    for value in sorted(set(_leaves(secret)), key=len, reverse=True):
        text = text.replace(value, "(sent)")
    return text


def _leaves(value: object) -> Iterator[str]:
    """Yield the values of a Secret that are long enough to be one; its metadata may be named."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in {"data", "stringData"} and isinstance(item, dict):
                yield from (text for text in item.values() if isinstance(text, str) and len(text) >= SHORTEST_SECRET)
