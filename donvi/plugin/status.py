"""Answers that are no success: a message with a code, or an error that carries the resource as far as it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import grpc  # type: ignore[import-untyped]

from donvi.errors import PermissionDeniedError, UsageError
from donvi.plugin.proto import provider_pb2, status_pb2
from donvi.plugin.wire import encode
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from donvi.errors import DonviError
    from donvi.plugin.wire import JSON, Value


class Status(grpc.Status):  # type: ignore[misc]
    """A gRPC status with the details that the engine reads from the trailing metadata."""

    def __init__(self, code: grpc.StatusCode, details: str, packed: bytes | None = None) -> None:
        self.code = code
        self.details = details
        self.trailing_metadata = (("grpc-status-details-bin", packed),) if packed is not None else ()


def code_of(error: DonviError) -> grpc.StatusCode:
    """Return the code of an error of ours.

    UNKNOWN, INTERNAL and DATA_LOSS would tell the engine that it no longer knows the resource's state.
    """
    if isinstance(error, PermissionDeniedError):
        return grpc.StatusCode.PERMISSION_DENIED
    if isinstance(error, UsageError):
        return grpc.StatusCode.INVALID_ARGUMENT
    return grpc.StatusCode.FAILED_PRECONDITION


def fail(context: grpc.ServicerContext, code: grpc.StatusCode, message: str) -> NoReturn:
    """Answer an error in words."""
    context.abort_with_status(Status(code, redact(message)))
    raise AssertionError("abort_with_status always raises")


def fail_partially(
    context: grpc.ServicerContext,
    *,
    id: str,
    inputs: Mapping[str, Value | JSON],
    properties: Mapping[str, Value | JSON],
    reasons: Sequence[str],
) -> NoReturn:
    """Answer an error that carries the resource: the engine records id, inputs and state, and updates it next time."""
    words = [redact(reason) for reason in reasons]
    failed = provider_pb2.ErrorResourceInitFailed(
        id=id, inputs=encode(inputs), properties=encode(properties), reasons=words
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=words[0])
    status.details.add().Pack(failed)
    context.abort_with_status(Status(grpc.StatusCode.UNKNOWN, words[0], status.SerializeToString()))
    raise AssertionError("abort_with_status always raises")
