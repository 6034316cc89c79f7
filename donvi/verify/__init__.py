"""Asks the real systems whether a unit is open, by running ``tests/acceptance`` in a process of its own.

What goes in: running the suite (:mod:`run`), what it found (:mod:`model`, :mod:`junit`), the readiness matrix
(:mod:`matrix`), and how each real system is asked (:mod:`ask`, used inside the suite's process only). What stays
out: the provider's word and Pulumi's state; neither is ever consulted about whether something worked.
"""

from donvi.verify.model import CheckResult, Outcome, SystemVerdict, Verdict
from donvi.verify.run import verify

__all__ = ["CheckResult", "Outcome", "SystemVerdict", "Verdict", "verify"]
