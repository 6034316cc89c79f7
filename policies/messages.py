"""What a verdict reads like in a preview: the rule in both languages, where, what to do, why. Never a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.judge import EXPIRED, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from policies.judge import Verdict
    from policies.model import About, Finding

MOST_PLACES = 6
UNDECIDED = "not decided at preview"


def text(verdict: Verdict) -> str:
    """Return the message of a verdict, several lines."""
    about = verdict.about
    if about.subject == EXPIRED.subject:
        return "\n".join([headline(about), *_of_register(verdict), f"remedy: {about.remedy}"])
    match verdict.state:
        case State.UNDECIDED:
            return "\n".join([headline(about), *_undecided(verdict)])
        case State.FAILED:
            return "\n".join([headline(about), *_failed(verdict)])
        case State.WAIVED:
            return "\n".join([headline(about), _waived(verdict), *_places(verdict.findings)])
        case State.BROKEN:
            return "\n".join([headline(about), *_places(verdict.findings), *_expired(verdict), *_advice(about)])


def headline(about: About) -> str:
    """Return the title in both languages."""
    return f"{about.title.vi} · {about.title.en}"


def _places(findings: Sequence[Finding]) -> list[str]:
    lines = [f"{one.path}: expected {one.expected}" if one.path else f"expected {one.expected}" for one in findings]
    more = len(lines) - MOST_PLACES
    return lines if more <= 0 else [*lines[:MOST_PLACES], f"and {more} more places"]


def _advice(about: About) -> list[str]:
    return [f"remedy: {about.remedy}", f"why: {about.reason}", f"standard: {about.standard}"]


def _undecided(verdict: Verdict) -> list[str]:
    paths = [one.path or "the resource" for one in verdict.undecided]
    shown = ", ".join(paths[:MOST_PLACES]) + (
        f" and {len(paths) - MOST_PLACES} more" if len(paths) > MOST_PLACES else ""
    )
    return [f"{UNDECIDED}: {shown} not known yet; `up` decides it before the resource is made"]


def _failed(verdict: Verdict) -> list[str]:
    return [
        f"the rule could not be applied to these inputs ({verdict.problem}), which counts as not kept",
        "remedy: check the shape of the inputs; if they are right, the rule is wrong: tell who keeps policies/",
    ]


def _waived(verdict: Verdict) -> str:
    waiver = verdict.waiver
    assert waiver is not None  # noqa: S101 - a waived verdict has its waiver
    return f"waived until {waiver.expires} by {waiver.owner}: {waiver.reason}"


def _expired(verdict: Verdict) -> list[str]:
    waiver = verdict.waiver
    if waiver is None:
        return []
    return [f"the waiver of {waiver.owner} is not in force: {waiver.granted} to {waiver.expires}"]


def _of_register(verdict: Verdict) -> list[str]:
    waiver = verdict.waiver
    assert waiver is not None  # noqa: S101 - only waivers are judged by the register's own rules
    if verdict.about is EXPIRED:
        return [f"the waiver of {waiver.about} expired on {waiver.expires}; owner: {waiver.owner}"]
    return [f"nothing needs the waiver of {waiver.about} any more; owner: {waiver.owner}, until {waiver.expires}"]
