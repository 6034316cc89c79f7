"""168 previews are said once, and a single value that differs in one unit is never lost among them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from donvi.fleet.classes import classify, stack_digest
from donvi.fleet.model import Change, Failure, Notice, Result, Status
from donvi.registry import load_city
from donvi.tenancy import describe
from tests.support.previews import created, deleted, fleet, people_and_mail, previewed, three_changes, updated

if TYPE_CHECKING:
    from donvi.registry import City


@cache
def known() -> City:
    return load_city(Path(__file__).parents[3] / "city")


@cache
def alike() -> tuple[Result, ...]:
    """Every unit gets the same three changes."""
    return tuple(fleet(known(), three_changes))


def spoilt(result: Result, at: int, where: int, make: Any) -> Result:
    """The preview with one leaf of one property replaced."""
    change = result.changes[at % len(result.changes)]
    number = where % len(change.properties)
    one = change.properties[number]
    value = json.loads(one.new or "null")
    other = msgspec.structs.replace(one, new=json.dumps(make(value), ensure_ascii=False, sort_keys=True))
    properties = (*change.properties[:number], other, *change.properties[number + 1 :])
    changes = tuple(
        msgspec.structs.replace(change, properties=properties) if c is change else c for c in result.changes
    )
    return msgspec.structs.replace(result, changes=changes)


def test_the_same_three_changes_in_168_units_are_one_class(city: City) -> None:
    (only,) = classify(alike(), city).classes
    assert len(only.stacks) == 168
    assert [change.op for change in only.changes] == ["create", "create", "update"]
    assert only.difference is None


@settings(max_examples=60, deadline=None)
@given(
    victim=st.integers(0, 11),
    donor=st.integers(0, 11),
    at=st.integers(0, 2),
    where=st.integers(0, 9),
    own_mark=st.booleans(),
)
def test_one_value_of_one_unit_that_differs_always_splits_it_out(
    *, victim: int, donor: int, at: int, where: int, own_mark: bool
) -> None:
    """Another text, or, and this is the worst, the same property of another unit."""
    theirs = spoilt(alike()[donor], at, where, lambda value: value)
    taken = theirs.changes[at % 3].properties[where % len(theirs.changes[at % 3].properties)].new
    mine = alike()[victim].changes[at % 3].properties[where % len(theirs.changes[at % 3].properties)].new
    if not own_mark and taken == mine:
        return
    wrong = spoilt(alike()[victim], at, where, lambda value: [value, "x"] if own_mark else json.loads(taken or ""))
    few = alike()[:12]
    found = classify([*few[:victim], wrong, *few[victim + 1 :]], known())
    assert [len(one.stacks) for one in found.classes] == [11, 1]
    alone = found.classes[1]
    assert alone.stacks == (wrong.stack,)
    assert alone.difference is not None
    assert alone.difference.other == found.classes[0].digest
    assert [there.kind for there, _ in alone.difference.otherwise] == [wrong.changes[at % 3].kind]


def test_a_neighbour_s_address_is_seen_in_the_difference(city: City) -> None:
    vung_tau = next(result for result in alike() if result.stack == "26506-vung-tau")
    wrong = spoilt(vung_tau, 0, 6, lambda _: ["10.1.0.1"])
    results = [wrong if result is vung_tau else result for result in alike()]
    alone = classify(results, city).of("26506-vung-tau")
    assert alone is not None
    assert alone.difference is not None
    ((there, here),) = alone.difference.otherwise
    new = {one.path: (one.new, other.new) for one, other in zip(there.properties, here.properties, strict=True)}
    assert new["values"] == ('["‹office.ipv4+1›"]', '["10.1.0.1"]')


def test_a_change_more_and_a_change_less_are_named(city: City) -> None:
    first, second = alike()[0], alike()[1]
    more = msgspec.structs.replace(
        first, changes=(*first.changes, deleted(first.stack, "donvi:mail:Alias", "cu@x", address="cu@x"))
    )
    less = msgspec.structs.replace(second, changes=second.changes[1:])
    found = classify([more, less, *alike()[2:]], city)
    assert [len(one.stacks) for one in found.classes] == [1, 166, 1], "what deletes comes first"
    grave, _, small = found.classes
    assert grave.difference is not None
    assert small.difference is not None
    assert [change.op for change in grave.difference.more] == ["delete"]
    assert [change.kind for change in small.difference.less] == ["donvi:dns:RecordSet"]
    assert grave.changes[0].op == "delete"


def test_unchanged_units_are_the_last_class_and_are_compared_with_nothing(city: City) -> None:
    results = [*alike()[:2], *(previewed(result.stack) for result in alike()[2:])]
    found = classify(results, city)
    assert [len(one.stacks) for one in found.classes] == [2, 166]
    assert len(found.unchanged) == 166
    assert found.classes[-1].quiet
    assert found.classes[0].difference is None


def test_refusals_and_failures_come_first_and_are_grouped_by_what_they_say(city: City) -> None:
    def refused(result: Result) -> Result:
        domain = describe(city, result.stack[:5]).unit.domain
        notice = Notice("error", f"kho.{domain} is nobody's", result.changes[0].urn, "resource-names-its-unit")
        return msgspec.structs.replace(
            result, status=Status.REFUSED, notices=(notice,), failure=Failure("policy", domain)
        )

    def failed(result: Result) -> Result:
        told = f"stack {result.stack}: nobody answers at 10.0.1.10"
        return previewed(result.stack, status=Status.FAILED, failure=Failure("engine", told))

    results = [*alike()[:100], *map(refused, alike()[100:103]), *map(failed, alike()[103:])]
    found = classify(results, city)
    assert [(len(one.stacks), one.refused, one.failed) for one in found.classes] == [
        (3, True, False),
        (65, False, True),
        (100, False, False),
    ]
    assert found.classes[0].notices[0].message == "kho.‹domain› is nobody's"


def test_a_class_keeps_its_digest_whoever_is_in_it_and_in_any_order(city: City) -> None:
    whole = classify(alike(), city).classes[0].digest
    few = [msgspec.structs.replace(result, changes=result.changes[::-1]) for result in alike()[40:44]]
    assert [one.digest for one in classify(few, city).classes] == [whole]


def test_a_stack_s_digest_holds_its_own_values() -> None:
    digests = {stack_digest(result) for result in alike()}
    assert len(digests) == len(alike())
    result = alike()[0]
    assert stack_digest(msgspec.structs.replace(result, changes=result.changes[::-1])) == stack_digest(result)
    assert stack_digest(msgspec.structs.replace(result, seconds=9.0)) == stack_digest(result)
    assert stack_digest(spoilt(result, 0, 4, lambda _: 301)) != stack_digest(result)


def test_renewed_certificates_are_one_class_though_every_serial_differs(city: City) -> None:
    def renewal(number: int, stack: str) -> Change:
        kind = "donvi:pki:Certificate"
        return updated(stack, kind, "gateway", "serial", f"{number:040x}", "[unknown]")

    results = [previewed(result.stack, renewal(n, result.stack)) for n, result in enumerate(alike())]
    assert len(classify(results, city).classes) == 1


def test_units_with_the_same_posts_are_opened_alike_whoever_holds_them(city: City) -> None:
    """Three rosters with other names, two people of one name among them, and lists in the order of the names."""
    pilots = [f"{code}-{city.allotments[code].slug}" for code in ("25747", "26506", "26740")]
    results = [one for one in fleet(city, people_and_mail) if one.stack in pilots]
    (only,) = classify(results, city).classes
    assert len(only.stacks) == 3
    assert len(only.changes) > 20


def test_a_person_who_gets_another_s_mailbox_is_seen(city: City) -> None:
    pilots = [f"{code}-{city.allotments[code].slug}" for code in ("25747", "26506", "26740")]
    results = [one for one in fleet(city, people_and_mail) if one.stack in pilots]
    boxes = [n for n, change in enumerate(results[1].changes) if change.kind.endswith("Mailbox")]
    personal = next(n for n in boxes if "people" in (results[1].changes[n].properties[1].new or ""))
    other = next(n for n in boxes if n > personal and "people" in (results[1].changes[n].properties[1].new or ""))
    owner = results[1].changes[other].properties[1].new
    results[1] = spoilt(results[1], personal, 1, lambda _: json.loads(owner or ""))
    assert sorted(len(one.stacks) for one in classify(results, city).classes) == [1, 2]


def test_the_platform_is_a_class_of_its_own(city: City) -> None:
    made = created("platform", "donvi:dns:RecordSet", "x.tphcm.test/A", values=["10.0.1.9"])
    found = classify([previewed("platform", made), *alike()], city)
    assert found.of("platform") is not None
    assert [len(one.stacks) for one in found.classes] == [168, 1]


def test_classes_survive_json(city: City) -> None:
    found = classify(alike()[:5], city)
    again = msgspec.json.decode(msgspec.json.encode(found), type=type(found))
    assert again == found
