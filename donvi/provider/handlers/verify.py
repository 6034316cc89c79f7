"""The verification of a unit: runs the acceptance suite when the tenancy or something it depends on changed.

It never asks the provider whether something worked; it runs ``donvi.verify``, which asks the real systems. A run that
finds the unit closed is recorded as unfinished, so that the next ``up`` asks again although nothing changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from donvi.errors import PartialError, UsageError, VerificationError
from donvi.provider.handler import JSON, Failure, Found, Handler, Inputs, Result, handler

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.provider.services import Services
    from donvi.verify import Verdict

NEVER = ""


class VerificationInputs(Inputs, frozen=True, kw_only=True):
    """What is proven, and what makes it necessary to prove it again.

    ``digest`` is of the unit's description; ``depends`` says per subject when donvi last changed something of it
    (RFC 3339, empty for things that were only imported). ``versions`` says per subject which versions of its objects
    another provider made; any other text is a reason to ask again.
    """

    digest: str
    depends: dict[str, str] = msgspec.field(default_factory=dict)
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    suite: str = "acceptance"


@handler("donvi:verify:Verification", inputs=VerificationInputs, replace_on={"unit"})
class VerificationHandler(Handler[VerificationInputs]):
    """Runs on create and update, remembers the last verdict otherwise."""

    def check(self, new: VerificationInputs) -> Iterable[Failure]:
        """Refuse the platform: only units have an acceptance suite."""
        if not new.unit.isdigit():
            yield Failure("unit", f"{new.unit!r} is no unit; give the official code")

    def same(self, name: str, old: JSON, new: JSON) -> bool:
        """A subject that changed no later than at the last run, as after an import, is no reason to ask again."""
        if name != "depends" or not isinstance(old, dict) or not isinstance(new, dict):
            return old == new
        before, after = cast("dict[str, str]", old), cast("dict[str, str]", new)
        return before.keys() == after.keys() and all(after[subject] <= before[subject] for subject in after)

    def create(self, services: Services, new: VerificationInputs) -> Result:
        """Ask for the first time."""
        return self._ask(services, new)

    def update(self, services: Services, id: str, old: VerificationInputs, new: VerificationInputs) -> Result:
        """Ask again."""
        return self._ask(services, new)

    def read(self, services: Services, id: str, known: VerificationInputs | None) -> Found | None:
        """Return the last verdict: a refresh proves nothing."""
        if known is None:
            raise UsageError("a verification can't be imported", hint="it runs by itself with the next `pulumi up`")
        return Found(id, known, outputs=None)

    def delete(self, services: Services, id: str, old: VerificationInputs) -> None:
        """Forget the verdict; nothing real exists."""

    def _ask(self, services: Services, new: VerificationInputs) -> Result:
        from donvi.verify import verify

        identifier = f"verification/{new.unit}"
        try:
            verdict = verify(new.unit, environ=services.environ, suite=new.suite, cancelled=services.cancelled)
        except VerificationError as error:
            raise _closed(identifier, error, {"verdict": "inconclusive", "finishedAt": NEVER}) from error
        outputs = _outputs(verdict)
        try:
            verdict.require_open()
        except VerificationError as error:
            raise _closed(identifier, error, outputs) from error
        return Result(identifier, outputs)


def _outputs(verdict: Verdict) -> dict[str, JSON]:
    from donvi.verify import Outcome

    return {
        "verdict": verdict.outcome.value,
        "passed": verdict.count(Outcome.PASSED),
        "failed": verdict.count(Outcome.FAILED),
        "inconclusive": verdict.count(Outcome.INCONCLUSIVE),
        "finishedAt": verdict.finished_at,
    }


def _closed(identifier: str, error: VerificationError, outputs: dict[str, JSON]) -> PartialError:
    carried = cast("dict[str, object]", outputs)
    return PartialError(error.message, identifier=identifier, outputs=carried, hint=error.hint)
