"""Drift of many units said once, and drift that is known until its rule ends."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from donvi.errors import DataError
from donvi.fleet.drift import page
from donvi.fleet.drift.groups import Group, grouped
from donvi.fleet.drift.model import CHANGED, GONE, Finding, Outcome, Report, Unread
from donvi.fleet.drift.rules import explain
from donvi.fleet.model import Change, PropertyChange
from donvi.fleet.normalise import Normalisers
from donvi.registry import load_city
from donvi.registry.drift_rules import DriftRule, read_drift_rules
from donvi.tenancy import names

if TYPE_CHECKING:
    from pathlib import Path

MAILBOX = "donvi:mail:Mailbox"
POLICY = "donvi:vault:Policy"
TODAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def city():
    return load_city()


@pytest.fixture(scope="module")
def stacks(city):
    return [names.stack(city.allotments[code]) for code in sorted(city.units)]


def changed(stack: str, kind: str, name: str, **properties: tuple[str, str]) -> Finding:
    paths = tuple(PropertyChange(path, "update", old, new) for path, (old, new) in properties.items())
    return Finding(stack, Change(CHANGED, kind, f"urn:pulumi:{stack}::donvi::{kind}::{name}", paths))


def gone(stack: str, kind: str, name: str) -> Finding:
    lost = (PropertyChange("name", "delete", f'"{name}"'),)
    return Finding(stack, Change(GONE, kind, f"urn:pulumi:{stack}::donvi::{kind}::{name}", lost))


def policy(stack: str) -> Finding:
    code = stack.partition("-")[0]
    rules = (f'[{{"path": "kv/units/{code}/*"}}]', '[{"path": "kv/*"}]')
    return changed(stack, POLICY, f"unit-{code}", rules=rules)


def rule(**more: object) -> DriftRule:
    given = {"id": "quota", "kind": MAILBOX, "owner": "Phòng Hạ tầng", "reason": "until the archive is moved"}
    given |= {"properties": ("quotaMb",), "granted": date(2026, 11, 1), "expires": date(2026, 12, 31)}
    return DriftRule(**{**given, **more})


def report(*findings: Finding, unread: tuple[Unread, ...] = ()) -> Report:
    looked = tuple(dict.fromkeys(one.stack for one in (*findings, *unread))) or ("platform",)
    return Report(looked, 100, findings, unread)


def test_the_same_drift_of_twelve_units_is_one_group_whatever_their_codes(city, stacks) -> None:
    (group,) = grouped([policy(stack) for stack in stacks[:12]], Normalisers(city).of)
    assert group.stacks == tuple(sorted(stacks[:12]))
    assert "‹code›" in group.change.urn
    assert not group.various


def test_a_unit_that_drifted_otherwise_stands_apart(city, stacks) -> None:
    other = changed(stacks[12], POLICY, f"unit-{stacks[12][:5]}", key=('"a"', '"b"'))
    groups = grouped([*(policy(stack) for stack in stacks[:12]), other], Normalisers(city).of)
    assert [len(group.stacks) for group in groups] == [12, 1]


def test_other_values_of_the_same_property_are_one_group_without_values(city, stacks) -> None:
    findings = [
        changed(stack, MAILBOX, "van-thu", quotaMb=("1024", str(2000 + n))) for n, stack in enumerate(stacks[:3])
    ]
    (group,) = grouped(findings, Normalisers(city).of)
    assert group.various
    assert group.change.properties[0].new is None


def test_another_units_value_is_not_taken_for_the_units_own(city, stacks) -> None:
    stranger = changed(stacks[0], POLICY, f"unit-{stacks[1][:5]}", rules=("[]", '[{"path": "kv/*"}]'))
    own = changed(stacks[1], POLICY, f"unit-{stacks[1][:5]}", rules=("[]", '[{"path": "kv/*"}]'))
    assert len(grouped([stranger, own], Normalisers(city).of)) == 2


def test_a_rule_in_force_explains_just_its_properties(stacks) -> None:
    quota = changed(stacks[0], MAILBOX, "van-thu", quotaMb=("1", "2"))
    more = changed(stacks[1], MAILBOX, "van-thu", quotaMb=("1", "2"), readers=("[]", '["x"]'))
    missing = gone(stacks[2], MAILBOX, "van-thu")
    found = explain(report(quota, more, missing), [rule()], TODAY)
    assert [one.rule for one in found.findings] == ["quota", "", ""]
    assert found.outcome is Outcome.DRIFT
    assert found.of(stacks[0]) is Outcome.NONE


def test_a_rule_of_a_unit_is_of_no_other(stacks) -> None:
    findings = [changed(stack, MAILBOX, "van-thu", quotaMb=("1", "2")) for stack in stacks[:2]]
    found = explain(report(*findings), [rule(units=(stacks[0][:5],))], TODAY)
    assert [one.rule for one in found.findings] == ["quota", ""]


def test_an_expired_rule_counts_again_and_says_so(stacks) -> None:
    finding = changed(stacks[0], MAILBOX, "van-thu", quotaMb=("1", "2"))
    found = explain(report(finding), [rule(expires=date(2026, 11, 23))], TODAY)
    assert found.outcome is Outcome.DRIFT
    assert found.findings[0].notes == ("rule quota expired on 2026-11-23",)
    assert explain(report(finding), [rule(expires=TODAY)], TODAY).outcome is Outcome.NONE


def test_a_reference_to_a_stack_that_ran_since_is_found_and_not_counted(stacks) -> None:
    reference = "pulumi:pulumi:StackReference"
    found = explain(report(changed(stacks[0], reference, "platform", outputs=('"a"', '"b"'))), [], TODAY)
    assert found.findings[0].rule == "other-stack-ran"
    assert found.outcome is Outcome.NONE


def test_what_was_not_read_is_never_no_drift(stacks) -> None:
    unread = Unread(stacks[0], MAILBOX, f"urn::{MAILBOX}::x", "unreachable", "nobody answers")
    found = report(unread=(unread,))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "no verdict" in page.headline(found, ())
    assert any("nobody answers" in line for line in page.lines(found, ()))


def test_the_page_says_what_differs_and_what_is_gone(city, stacks) -> None:
    findings = [
        changed(stacks[0], MAILBOX, "van-thu", readers=('["a@x", "b@x"]', '["b@x", "c@x"]')),
        gone(stacks[1], POLICY, "p"),
    ]
    found = report(*findings)
    text = "\n".join(page.lines(found, grouped(findings, Normalisers(city).of)))
    assert "readers: − a@x, + c@x" in text
    assert f"− {POLICY} p is gone  ·  {stacks[1]}" in text


def test_markdown_stays_within_its_room_and_says_what_it_left_out(city, stacks) -> None:
    findings = [changed(stack, POLICY, f"p{n}", rules=("[]", '["x|y"]')) for n, stack in enumerate(stacks)]
    groups: tuple[Group, ...] = grouped(findings, Normalisers(city).of)
    text = page.markdown(report(*findings), groups, room=6000)
    assert len(text) < 6100
    assert "groups more" in text
    assert "x\\|y" in text


HEAD = """
rules:
  - id: quota
    kind: donvi:mail:Mailbox
    owner: Phòng Hạ tầng
    reason: until the archive of 2026 is moved
    granted: "2026-11-01"
"""


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('    properties: [quotaMb]\n    expires: "2027-11-01"\n', "365 days are more"),
        ('    properties: [quotaMb]\n    expires: "2026-10-01"\n', "ends before it was granted"),
        ('    expires: "2026-12-01"\n', "neither which properties"),
        ('    properties: [quotaMb]\n    expires: "2026-12-01"\n    unit: "26506"\n', "unknown field `unit`"),
        ('    properties: [quotaMb]\n    expires: soon\n', "expires"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_refused_with_its_place(tmp_path: Path, lines: str, said: str) -> None:
    file = tmp_path / "drift-rules.yaml"
    file.write_text(HEAD + lines, encoding="utf-8")
    with pytest.raises(DataError, match=said) as refused:
        read_drift_rules(file)
    assert "drift-rules.yaml:" in str(refused.value)


def test_a_right_rule_is_read_and_a_city_may_have_none(tmp_path: Path) -> None:
    file = tmp_path / "drift-rules.yaml"
    assert read_drift_rules(file) == ()
    file.write_text(HEAD + '    properties: ["quota*"]\n    expires: "2026-12-01"\n', encoding="utf-8")
    (found,) = read_drift_rules(file)
    assert found.explains("quotaMb")
    assert not found.explains("readers")
