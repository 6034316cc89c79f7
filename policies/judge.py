"""Asks the rules, and knows what the register of waivers makes of their answers. No engine here, and no printing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from policies.model import About, Finding, Level, Title, Undecided
from policies.register import STACK_RULES, rules_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date

    from policies.city import CityFacts
    from policies.model import Outcome, Resource
    from policies.waivers import Waiver

EXPIRED: Final = About(
    id="waiver-in-force",
    subject="waivers",
    title=Title("Giấy miễn trừ còn hiệu lực", "A waiver in the register is in force"),
    reason="A waiver is a debt with a date; a register that is never paid is no register.",
    remedy="Repair what it excused and remove the line, or have the security reviewer grant a new one.",
    standard="donvi (policies/waivers.yaml)",
)
UNUSED: Final = About(
    id="waiver-needed",
    subject="waivers",
    title=Title("Giấy miễn trừ còn cần thiết", "A waiver in the register is needed"),
    reason="One that nothing needs any more would excuse the next mistake.",
    remedy="Remove the line from policies/waivers.yaml.",
    standard="donvi (policies/waivers.yaml)",
    level=Level.ADVISORY,
)
OWN: Final = (EXPIRED, UNUSED)
"""What the register itself is judged by."""


class State(StrEnum):
    """What became of a rule at a resource where it isn't simply kept."""

    BROKEN = "broken"
    WAIVED = "waived"
    UNDECIDED = "undecided"
    FAILED = "failed"  # the rule itself could not be applied: counts as broken


@dataclass(frozen=True)
class Verdict:
    """One thing to say about one resource.

    :param findings: where, when broken or waived.
    :param undecided: where a value isn't known yet.
    :param waiver: the one that excuses it, or that did so until it expired.
    :param problem: name of the error's class when the rule could not be applied; never its message.
    """

    about: About
    state: State
    urn: str = ""
    findings: tuple[Finding, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    waiver: Waiver | None = None
    problem: str = ""


@dataclass
class Judge:
    """The rules for one run of one stack.

    :param city: called when the first rule is asked, at most once.
    :param stack_unit: code of the unit whose stack it is, ``platform``, or empty.
    """

    city: Callable[[], CityFacts]
    waivers: tuple[Waiver, ...]
    today: date
    stack_unit: str = ""
    _used: set[Waiver] = field(default_factory=set)
    _owners: set[str] = field(default_factory=set)
    _labels: set[str] = field(default_factory=set)

    def resource(self, resource: Resource) -> list[Verdict]:
        """Return what the rules about single resources say."""
        self._owners.add(resource.owner)
        self._labels.add(resource.label)
        found: list[Verdict] = []
        for rule in rules_for(resource.type):
            found += self._ask(rule, lambda rule=rule: rule.check(resource, self.city()), [resource])  # type: ignore[misc]
        return found

    def stack(self, resources: Sequence[Resource]) -> list[Verdict]:
        """Return what the rules about the whole stack say, and then the register's own lines.

        Every resource was given to :meth:`resource` before.
        """
        found: list[Verdict] = []
        for rule in STACK_RULES:
            found += self._ask(rule, lambda rule=rule: rule.check(resources, self.city()), resources)  # type: ignore[misc]
        return [*found, *self._register()]

    def _ask(
        self, about: About, ask: Callable[[], Iterable[Outcome]], resources: Sequence[Resource]
    ) -> Iterator[Verdict]:
        try:
            outcomes = list(ask())
        except Exception as error:  # noqa: BLE001 - a rule that fails must not let the resource pass, nor show a value
            urn = resources[0].urn if len(resources) == 1 else ""
            yield Verdict(about, State.FAILED, urn, problem=type(error).__name__)
            return
        places = {resource.urn: resource for resource in resources}
        alone = resources[0].urn if len(resources) == 1 else ""
        for urn in dict.fromkeys(outcome.urn or alone for outcome in outcomes):
            mine = [outcome for outcome in outcomes if (outcome.urn or alone) == urn]
            findings = tuple(dict.fromkeys(one for one in mine if isinstance(one, Finding)))
            undecided = tuple(dict.fromkeys(one for one in mine if isinstance(one, Undecided)))
            if findings:
                yield self._finding(about, urn, findings, places[urn])
            if undecided:
                yield Verdict(about, State.UNDECIDED, urn, undecided=undecided)

    def _finding(self, about: About, urn: str, findings: tuple[Finding, ...], resource: Resource) -> Verdict:
        covering = [waiver for waiver in self.waivers if waiver.covers(about.id, resource)]
        self._used.update(covering)
        for waiver in covering:
            if waiver.in_force(self.today):
                return Verdict(about, State.WAIVED, urn, findings, waiver=waiver)
        return Verdict(about, State.BROKEN, urn, findings, waiver=covering[0] if covering else None)

    def _register(self) -> Iterator[Verdict]:
        for waiver in self.waivers:
            if not self._here(waiver):
                continue
            if waiver.expired(self.today):
                yield Verdict(EXPIRED, State.BROKEN, waiver=waiver)
            elif waiver not in self._used:
                yield Verdict(UNUSED, State.BROKEN, waiver=waiver)

    def _here(self, waiver: Waiver) -> bool:
        """Whether a line of the register is this stack's business."""
        if waiver.resource and waiver.resource not in self._labels:
            return bool(waiver.unit) and waiver.unit == self.stack_unit
        return not waiver.unit or waiver.unit == self.stack_unit or waiver.unit in self._owners
