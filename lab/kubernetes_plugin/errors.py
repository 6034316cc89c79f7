"""What the Kubernetes API refused, in words that name the object, the reason and the remedy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from donvi.errors import BackendError, ConflictError, DonviError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOT_FOUND = 404
CONFLICT = 409
INVALID = 422
FORBIDDEN = 403
TOO_MANY = 429
IMMUTABLE = "immutable"


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that the API objects to.

    :param field: as the API writes it, for example ``.spec.replicas``.
    """

    field: str
    message: str
    reason: str = ""


class ApiError(BackendError):
    """The API server answered with a status that is no success.

    :param code: of HTTP.
    :param reason: the API's word for it, for example ``AlreadyExists``.
    """

    code_word = "kubernetes"

    def __init__(self, status: int, reason: str, message: str, causes: Sequence[Cause] = (), kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.causes = tuple(causes)
        self.about = kind

    @classmethod
    def parse(cls, status: int, body: Any) -> ApiError:
        """Read an API ``Status`` object, or whatever else a proxy sent."""
        if not isinstance(body, dict):
            return cls(status, "", f"the API server answered HTTP {status}")
        details = body.get("details") or {}
        causes = [
            Cause(str(cause.get("field", "")), str(cause.get("message", "")), str(cause.get("reason", "")))
            for cause in details.get("causes") or []
        ]
        message = str(body.get("message") or f"the API server answered HTTP {status}")
        return cls(status, str(body.get("reason", "")), message, causes, str(details.get("kind", "")))

    @property
    def namespace_missing(self) -> bool:
        """The object's namespace doesn't exist (yet)."""
        return self.status == NOT_FOUND and self.about == "namespaces"

    @property
    def terminating(self) -> bool:
        """The object's namespace is being deleted."""
        return self.status == FORBIDDEN and "being terminated" in self.message

    @property
    def immutable(self) -> tuple[str, ...]:
        """Fields that can't be changed in place; empty when that isn't the reason."""
        if self.status != INVALID:
            return ()
        found = tuple(cause.field for cause in self.causes if IMMUTABLE in cause.message)
        return found or (("spec",) if IMMUTABLE in self.message else ())

    @property
    def without_rights(self) -> bool:
        """Authorisation refused, not an admission rule."""
        return self.status == FORBIDDEN and "cannot " in self.message and "User " in self.message


class UnknownKindError(BackendError):
    """The API server has no such kind: its CustomResourceDefinition isn't there (yet)."""

    code = "kind"


@dataclass
class NotReadyError(Exception):
    """An object exists but didn't become ready; what is known of it must be recorded.

    :param reasons: the first one is the summary, the rest say why.
    """

    live: Mapping[str, Any]
    reasons: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.reasons[0]


class InterruptedRunError(DonviError):
    """The engine cancelled the run."""

    code = "interrupted"


def conflict(name: str, error: ApiError) -> ConflictError:
    """Turn a 409 of server-side apply into an error that names field, owner and remedy."""
    owned = [f"{cause.field or 'a field'} is owned by {owner_of(cause)}" for cause in error.causes]
    what = "; ".join(dict.fromkeys(owned)) or error.message
    hint = (
        "Nothing was forced. Take the field out of the program (or `ignore_changes` it) to leave it to its owner, "
        "or have the owner let go of it"
    )
    return ConflictError(f"{name}: {what}", hint=hint)


def owner_of(cause: Cause) -> str:
    """Return the field manager that a conflict's cause names, for example ``"kubectl-edit"``."""
    parts = cause.message.split('"')
    return f'"{parts[1]}"' if len(parts) > 2 else "another manager"  # noqa: PLR2004


def exists(name: str) -> ConflictError:
    """Say that an object is there that this resource didn't make."""
    identifier = name.rpartition(" ")[2]
    return ConflictError(
        f"{name} exists already and wasn't made by this resource",
        hint=f"Take it over with `pulumi import` and the id {identifier}, or give the resource another name",
    )
