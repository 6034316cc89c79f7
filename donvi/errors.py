"""Every error donvi raises, in one tree.

::

    DonviError                 code, message, hint
    ├── DataError              a file of the city is wrong          (file, row, column)  exit 2
    ├── UsageError             the command line asks for something that isn't there      exit 2
    ├── ConflictError          an object exists and carries another owner's mark
    ├── BackendError           a real system refused or failed
    │   ├── UnreachableError   nobody answers, or the TLS handshake fails
    │   ├── PermissionDeniedError
    │   ├── SealedError        Vault is sealed: stop, resume later
    │   └── ThrottledError     asked to slow down (429)
    ├── PartialError           an operation stopped half-way; what exists is recorded
    ├── VerificationError      a check of the real systems failed or was inconclusive
    ├── LabError               the lab's machines could not be made, reused or removed
    ├── PolicyError            a policy refuses what a stack declares                    exit 4
    ├── EngineError            Pulumi failed                                             exit 5
    └── LockedError            a stack or the lab is held by somebody else               exit 7

The message names the unit, the resource or the file; the hint is the remedy.
"""

from __future__ import annotations


class DonviError(Exception):
    """Base of every error that donvi raises on purpose.

    :param message: what is wrong, naming the unit, resource or file.
    :param hint: what to do about it, one sentence.
    """

    code = "donvi"
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class DataError(DonviError):
    """A file of the city's data is wrong; nothing was changed.

    :param file: path as the person wrote it; ``row`` and ``column`` count from 1, ``column`` may be a column's name.
    """

    code = "data"
    exit_code = 2

    def __init__(
        self, message: str, *, file: str = "", row: int | None = None, column: str | int | None = None, hint: str = ""
    ) -> None:
        where = ":".join(str(part) for part in (file, row, column) if part not in {None, ""})
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.file = file
        self.row = row
        self.column = column


class UsageError(DonviError):
    """The command line asks for something that does not exist or is ambiguous."""

    code = "usage"
    exit_code = 2


class ConflictError(DonviError):
    """An object of that name exists and isn't ours; the remedy is ``pulumi import`` or another name."""

    code = "conflict"


class BackendError(DonviError):
    """A real system refused or failed."""

    code = "backend"


class UnreachableError(BackendError):
    """Nobody answers at the address, or the TLS handshake failed."""

    code = "unreachable"


class PermissionDeniedError(BackendError):
    """The credentials are valid but may not do this."""

    code = "denied"


class SealedError(BackendError):
    """Vault is sealed; nothing was lost, the next run goes on."""

    code = "sealed"


class ThrottledError(BackendError):
    """The system asks to slow down and went on doing so after the back-off."""

    code = "throttled"


class PartialError(DonviError):
    """An operation stopped half-way.

    :param identifier: the resource id of what exists already.
    :param outputs: the properties known so far; the next run finishes from there.
    """

    code = "partial"

    def __init__(self, message: str, *, identifier: str, outputs: dict[str, object], hint: str = "") -> None:
        super().__init__(message, hint=hint or "run `pulumi up` again: it finishes what is missing")
        self.identifier = identifier
        self.outputs = outputs


class VerificationError(DonviError):
    """A check of the real systems failed, or could not be judged."""

    code = "verification"


class LabError(DonviError):
    """The lab's machines could not be made, reused or removed."""

    code = "lab"


class PolicyError(DonviError):
    """A policy refuses what a stack declares; the message names the policy, the resource and the remedy."""

    code = "policy"
    exit_code = 4


class EngineError(DonviError):
    """The Pulumi engine failed."""

    code = "engine"
    exit_code = 5


class LockedError(DonviError):
    """A stack or the lab is held by somebody else."""

    code = "locked"
    exit_code = 7
