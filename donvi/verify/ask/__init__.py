"""How each real system is asked: one module per system, each returning what was seen as frozen values without secrets.

Asking and judging are apart: a module here observes in one batch and never asserts, the tests of
``tests/acceptance`` judge what was observed. A system that doesn't answer raises :class:`InconclusiveError` (or an
``UnreachableError``), which no test can take for a pass. Runs inside the suite's process only; nothing here imports
the provider.
"""

from donvi.errors import VerificationError

NO_PASSWORD = "Vault holds no password for it, so it was never made: run `pulumi up`"  # noqa: S105 - a message


class InconclusiveError(VerificationError):
    """It could not be judged; the message says why. Never a pass."""

    code = "inconclusive"
