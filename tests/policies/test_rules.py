"""Rules on plain data: their examples are their tests, and two properties hold for all of them."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import pytest

from donvi.registry import load_city
from donvi.tenancy import names
from policies import messages
from policies.judge import Judge, State, Verdict
from policies.model import Finding, Level
from policies.register import ALL, RESOURCE_RULES, STACK_RULES, by_id, rules_for
from policies.values import UNKNOWN, leaves
from policies.waivers import today

if TYPE_CHECKING:
    from policies.city import CityFacts
    from policies.model import Example, Resource, Rule, StackRule

KEPT = [pytest.param(rule, example, id=rule.id) for rule in RESOURCE_RULES for example in rule.kept]
BROKEN = [pytest.param(rule, example, id=rule.id) for rule in RESOURCE_RULES for example in rule.broken]
KEPT_STACKS = [pytest.param(rule, stack, id=rule.id) for rule in STACK_RULES for stack in rule.kept]
BROKEN_STACKS = [pytest.param(rule, *pair, id=rule.id) for rule in STACK_RULES for pair in rule.broken]


@pytest.mark.parametrize(("rule", "example"), KEPT)
def test_what_keeps_a_rule_passes(rule: Rule, example: Example, city: CityFacts) -> None:
    assert rule in rules_for(example.type)
    assert list(rule.check(example.resource(), city)) == []


@pytest.mark.parametrize(("rule", "example"), BROKEN)
def test_what_breaks_a_rule_is_found_where_it_is_and_nowhere_else(
    rule: Rule, example: Example, city: CityFacts
) -> None:
    assert rule in rules_for(example.type)
    found = [one.path for one in rule.check(example.resource(), city) if isinstance(one, Finding)]
    assert sorted(set(found)) == sorted(example.at)


@pytest.mark.parametrize(("rule", "stack"), KEPT_STACKS)
def test_a_stack_that_keeps_a_rule_passes(rule: StackRule, stack: tuple[Example, ...], city: CityFacts) -> None:
    assert list(rule.check([one.resource() for one in stack], city)) == []


@pytest.mark.parametrize(("rule", "stack", "name"), BROKEN_STACKS)
def test_a_stack_that_breaks_a_rule_is_found_at_the_resource(
    rule: StackRule, stack: tuple[Example, ...], name: str, city: CityFacts
) -> None:
    found = list(rule.check([one.resource() for one in stack], city))
    assert [one.urn.rpartition("::")[2] for one in found] == [name]


@pytest.mark.parametrize(("rule", "example"), BROKEN)
def test_an_unknown_value_never_makes_a_broken_rule_silent(rule: Rule, example: Example, city: CityFacts) -> None:
    for path in example.at:
        hidden = hide(example.inputs, path)
        if hidden is None:
            continue  # the finding is that something is missing, or the resource itself
        outcomes = list(rule.check(replace(example.resource(), hidden), city))
        assert outcomes, f"{path} unknown: neither a finding nor undecided"


def test_every_leaf_unknown_leaves_no_rule_that_fails(city: CityFacts) -> None:
    for rule in RESOURCE_RULES:
        for example in (*rule.kept, *rule.broken):
            for path, _ in leaves(example.inputs):
                hidden = hide(example.inputs, path)
                if hidden is not None:
                    list(rule.check(replace(example.resource(), hidden), city))


def test_no_message_shows_a_value_of_the_inputs(city: CityFacts) -> None:
    judge = Judge(lambda: city, (), today({}))
    for rule in RESOURCE_RULES:
        for example in rule.broken:
            verdicts = judge.resource(example.resource())
            said = "\n".join(messages.text(verdict) for verdict in verdicts)
            for fixed in {
                text for one in verdicts for text in (one.about.reason, one.about.remedy, one.about.standard)
            }:
                said = said.replace(fixed, "")
            for path, value in leaves(example.inputs):
                if isinstance(value, str) and len(value) > 12 and value != f"urn:donvi:unit:{example.unit}":
                    assert value not in said, f"{rule.id}: the value at {path} is shown"


def test_a_rule_that_fails_refuses_without_showing_what_it_stumbled_over(city: CityFacts) -> None:
    canary = "canary-7d1f-horse"
    broken = RESOURCE_RULES[0].broken[0].resource()
    resource = replace(broken, {"rules": canary, "spec": {"ingress": canary}, "metadata": {"labels": [canary]}})
    judge = Judge(lambda: city, (), today({}))

    verdicts = [*judge.resource(resource), *failing(judge, resource, canary)]

    assert any(verdict.state is State.FAILED and verdict.about.level is Level.MANDATORY for verdict in verdicts)
    assert canary not in "\n".join(messages.text(verdict) for verdict in verdicts)


def failing(judge: Judge, resource: Resource, canary: str) -> list[Verdict]:
    """Ask a rule that raises an error with the value in its message."""

    def stumble() -> Any:
        raise ValueError(canary)

    return list(judge._ask(by_id()["image-by-digest"], stumble, [resource]))


def test_rules_are_complete_and_named_once() -> None:
    ids = [rule.id for rule in ALL]
    assert len(ids) == len(set(ids)) >= 12
    assert {rule.subject for rule in ALL} >= {"isolation", "identity", "workloads", "secrets", "ownership"}
    for rule in ALL:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.id)
        assert rule.title.vi != rule.title.en
        assert all((rule.title.vi, rule.title.en, rule.reason, rule.remedy, rule.standard, rule.kept, rule.broken))


def test_the_pack_knows_the_same_domains_as_the_tenancy(city: CityFacts) -> None:
    whole = load_city()
    assert {code: unit.domain for code, unit in city.units.items()} == {
        code: names.unit_domain(whole, numbers) for code, numbers in whole.allotments.items()
    }


def replace(resource: Resource, inputs: Any) -> Resource:
    """Return the resource with other inputs."""
    changed = copy.copy(resource)
    object.__setattr__(changed, "inputs", inputs)
    return changed


def hide(inputs: Any, path: str) -> Any:
    """Return the inputs with the value at a path unknown; ``None`` where no value stands there."""
    steps = re.findall(r'\["[^"]+"\]|\[[0-9]+\]|[^.\[\]]+', path.partition(", line")[0])
    if not steps:
        return None
    changed = copy.deepcopy(inputs)
    place = changed
    for number, step in enumerate(steps):
        name: Any = step.strip('[]"')
        if isinstance(place, list):
            name = int(name)
            if name >= len(place):
                return None
        elif not isinstance(place, dict) or name not in place:
            return None
        if number == len(steps) - 1:
            place[name] = UNKNOWN
        else:
            place = place[name]
    return changed
