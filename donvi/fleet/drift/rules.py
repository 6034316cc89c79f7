"""Tells known drift from drift that counts. Pure.

One rule needs no register: a reference to another stack that ran since. A refresh records that stack's newer outputs,
so it is among the findings, but nothing of the real systems is other than declared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from donvi.fleet.drift.model import GONE
from donvi.fleet.drift.state import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from donvi.fleet.drift.model import Finding, Report
    from donvi.registry.drift_rules import DriftRule

OTHER_STACK_RAN = "other-stack-ran"


def explain(report: Report, rules: Sequence[DriftRule], today: date) -> Report:
    """Return the report with the rules that explain its findings; an expired one only leaves a note."""
    return msgspec.structs.replace(report, findings=tuple(_explained(one, rules, today) for one in report.findings))


def _explained(finding: Finding, rules: Iterable[DriftRule], today: date) -> Finding:
    if finding.change.kind == REFERENCE and finding.change.op != GONE:
        return msgspec.structs.replace(finding, rule=OTHER_STACK_RAN)
    unit, change = finding.stack.partition("-")[0], finding.change
    about = [rule for rule in rules if rule.about(unit, change.kind, change.name)]
    if found := _explaining(finding, [rule for rule in about if rule.in_force(today)]):
        return msgspec.structs.replace(finding, rule=", ".join(found))
    if late := _explaining(finding, [rule for rule in about if rule.granted <= today]):
        ends = {rule.id: rule.expires for rule in about}
        notes = tuple(f"rule {name} expired on {ends[name]:%Y-%m-%d}" for name in late if ends[name] < today)
        return msgspec.structs.replace(finding, notes=(*finding.notes, *notes))
    return finding


def _explaining(finding: Finding, rules: Sequence[DriftRule]) -> list[str]:
    """Return the rules that together explain everything of a finding; none if something is left."""
    if finding.change.op == GONE:
        return [rule.id for rule in rules if rule.gone][:1]
    found: dict[str, None] = {}
    for change in finding.change.properties:
        rule = next((rule for rule in rules if rule.explains(change.path)), None)
        if rule is None:
            return []
        found[rule.id] = None
    return list(found)
