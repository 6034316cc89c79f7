"""Why a stack's run did not end well: what the engine said becomes one failure with a remedy, or an exception."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from donvi import errors
from donvi.errors import DonviError, EngineError, LockedError, PolicyError
from donvi.fleet.events import NOISE, name_of
from donvi.fleet.model import Failure, Status
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from donvi.fleet.model import Notice, Operation

BROKEN = "failed to load checkpoint"
LOCKED = "the stack is currently locked by"
MISSING = "no stack named"
UNLOCK = "run `donvi unlock {0}`, then `pulumi up --refresh -s {0}`"
NAMED = 5
"""How many problems a message names; the rest is counted."""


def judge(
    operation: Operation, stack: str, status: int, notices: Sequence[Notice], tail: Iterable[str]
) -> tuple[Status, Failure]:
    """Say what a run that ended badly died of.

    :param status: exit code of the engine, negative for a signal.
    :param notices: what it said in events.
    :param tail: its last lines outside events.
    """
    error = _error(operation, stack, status, notices, [redact(line) for line in tail])
    return status_of(error), failure_of(error)


def failure_of(error: DonviError) -> Failure:
    """Return an error as it is kept."""
    return Failure(error.code, error.message, error.hint)


def status_of(error: DonviError) -> Status:
    """Return how a run ended that ended with this error."""
    if isinstance(error, LockedError):
        return Status.LOCKED
    return Status.REFUSED if isinstance(error, PolicyError) else Status.FAILED


def error_of(failure: Failure) -> DonviError:
    """Return the exception that a failure was made from, for whoever runs one stack and wants an exit code."""
    kinds: dict[str, type[DonviError]] = {kind.code: kind for kind in vars(errors).values() if _simple(kind)}
    return kinds.get(failure.code, EngineError)(failure.message, hint=failure.hint)


def cancelled(operation: Operation, stack: str) -> Failure:
    """Return the failure of a run that was asked to end."""
    return Failure(
        EngineError.code,
        f"{operation.value} of stack {stack} was interrupted",
        f"`donvi up {stack}` or `pulumi up -s {stack}` goes on where this run stopped",
    )


def _simple(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, DonviError) and kind not in {errors.PartialError, DonviError}


def _error(
    operation: Operation, stack: str, status: int, notices: Sequence[Notice], tail: list[str]
) -> EngineError | LockedError | PolicyError:
    said = [_line(notice) for notice in notices if notice.severity == "error" and not notice.policy]
    refused = [_refusal(notice) for notice in notices if notice.severity == "error" and notice.policy]
    held = next((line for line in [*said, *tail] if LOCKED in line), None)
    if held is not None:
        return LockedError(
            f"stack {stack} is locked: {' '.join(tail) or held}",
            hint=f"wait for the other run, or if it is dead {UNLOCK.format(stack)}",
        )
    if refused:
        return PolicyError(
            f"{operation.value} of stack {stack} is refused: {_some(refused)}",
            hint="do what each remedy says; an exception is a waiver (docs/policies.md)",
        )
    return _engine_error(operation, stack, status, [line for line in said if not line.endswith(NOISE)] or tail)


def _engine_error(operation: Operation, stack: str, status: int, own: list[str]) -> EngineError:
    if any(BROKEN in line for line in own):
        return EngineError(f"the state of stack {stack} is half-written: a run was killed", hint=UNLOCK.format(stack))
    if any(MISSING in line for line in own):
        return EngineError(f"there is no stack {stack} yet", hint=f"`donvi up {stack}` makes it")
    if status < 0 and not own:
        name = signal.Signals(-status).name
        return EngineError(
            f"{operation.value} of stack {stack} failed: the engine was killed by {name}", hint=UNLOCK.format(stack)
        )
    told = _some(own) or f"pulumi ended with exit code {status}"
    return EngineError(
        f"{operation.value} of stack {stack} failed: {told}",
        hint=f"repair that, then `pulumi up -s {stack}` goes on where this run stopped",
    )


def _line(notice: Notice) -> str:
    message = " ".join(notice.message.split())
    return f"{name_of(notice.urn)}: {message}" if notice.urn else message


def _refusal(notice: Notice) -> str:
    return f"policy {notice.policy} at {name_of(notice.urn)}: {'; '.join(notice.message.splitlines())}"


def _some(lines: Sequence[str]) -> str:
    more = f"; and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
    return "; ".join(lines[:NAMED]) + more
