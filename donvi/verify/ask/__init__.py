"""How each real system is asked: one module per system, each returning what was seen as frozen values without secrets.

Asking and judging are apart: a module here observes in one batch and never asserts, the tests of
``tests/acceptance`` judge what was observed. A system that doesn't answer raises :class:`InconclusiveError` (or an
``UnreachableError``), which no test can take for a pass. Runs inside the suite's process only; nothing here imports
the provider.
"""

from donvi.errors import VerificationError
from donvi.tenancy.presence import NOT_HERE

NO_PASSWORD = "Vault holds no password for it, so it was never made: run `pulumi up`"  # noqa: S105 - a message


class InconclusiveError(VerificationError):
    """It could not be judged; the message says why. Never a pass."""

    code = "inconclusive"


class NotHereError(VerificationError):
    """It would have to be asked from a machine of the unit that this lab doesn't have. Never a pass, nor a doubt."""

    code = "not_here"

    def __init__(self, machine: str) -> None:
        super().__init__(f"{machine} is {NOT_HERE}")
