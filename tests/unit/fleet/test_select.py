"""Which stacks a command means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from donvi.errors import UsageError
from donvi.fleet.select import PLATFORM, Facts, Selection, Shard, choose, parse_shard, position

if TYPE_CHECKING:
    from donvi.registry import City


def stacks(city: City, facts: Facts | None = None, **asked: object) -> list[str]:
    selection = msgspec.convert({"units": (), **asked}, Selection)
    return [target.stack for target in choose(city, selection, facts)]


def test_nothing_selected_is_never_everything(city: City) -> None:
    with pytest.raises(UsageError, match="no stack was selected") as caught:
        stacks(city)
    assert "--all" in caught.value.hint


def test_all_is_platform_and_then_every_unit_by_code(city: City) -> None:
    chosen = stacks(city, everything=True)
    assert len(chosen) == 169
    assert chosen[0] == PLATFORM
    assert chosen[1:] == sorted(chosen[1:])


def test_a_unit_is_named_by_code_slug_stack_or_name_without_accents_and_counts_once(city: City) -> None:
    chosen = stacks(city, units=["26506", "vung-tau", "26506-vung-tau", "Phường Vũng Tàu", "vung tau"])
    assert chosen == ["26506-vung-tau"]


def test_a_name_that_means_two_units_lists_them(city: City) -> None:
    with pytest.raises(UsageError, match=r"matches 2 units: .*25807.*27676"):
        stacks(city, units=["thanh an"])


def test_criteria_narrow_each_other_down_and_values_of_one_widen_it(city: City) -> None:
    pilots = stacks(city, waves=[1])
    assert len(pilots) == 15
    assert len(stacks(city, waves=[1], localities=["binh duong"])) == 5
    assert len(stacks(city, waves=[1], localities=["Bình Dương", "ba ria vung tau"])) == 10
    assert stacks(city, waves=[1], everything=True) == pilots


def test_named_units_come_on_top_of_what_criteria_find(city: City) -> None:
    other = stacks(city, waves=[3])[0]
    assert stacks(city, waves=[1], units=[other.partition("-")[0]]) == sorted([*stacks(city, waves=[1]), other])


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"localities": ["Huế"]}, "Bình Dương"),
        ({"waves": [9]}, "there are: 1, 2, 3"),
        ({"systems": ["documens"]}, "documents"),
    ],
)
def test_an_unknown_value_says_which_there_are(city: City, asked: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        stacks(city, **asked)
    assert told in caught.value.hint


def test_a_system_means_the_units_that_have_something_of_it(city: City) -> None:
    assert len(stacks(city, systems=["documents"], waves=[1])) == 15


def test_what_changed_and_what_failed_come_from_outside(city: City) -> None:
    facts = Facts(
        failed=frozenset({"26506-vung-tau", PLATFORM}), changed=frozenset({"26506-vung-tau", "26740-sai-gon"})
    )
    assert stacks(city, facts, failed=True) == [PLATFORM, "26506-vung-tau"]
    assert stacks(city, facts, changed_since="HEAD~1") == ["26506-vung-tau", "26740-sai-gon"]
    assert stacks(city, facts, changed_since="HEAD~1", failed=True) == ["26506-vung-tau"]
    assert stacks(city, Facts(), failed=True) == [], "nothing to do is no error"


def test_platform_belongs_to_the_whole_not_to_a_part(city: City) -> None:
    assert stacks(city, units=["platform"]) == [PLATFORM]
    assert stacks(city, units=["26506"]) == ["26506-vung-tau"]
    assert PLATFORM not in stacks(city, waves=[1])
    assert stacks(city, waves=[1], platform=True)[0] == PLATFORM
    assert PLATFORM not in stacks(city, everything=True, platform=False)
    assert PLATFORM not in stacks(city, everything=True, shard=Shard(1, 4))
    assert stacks(city, platform=True) == [PLATFORM]


def test_shards_share_nothing_and_are_the_whole(city: City) -> None:
    parts = [stacks(city, everything=True, shard=Shard(number, 4)) for number in (1, 2, 3, 4)]
    assert [len(part) for part in parts] == [42, 42, 42, 42]
    assert sorted(stack for part in parts for stack in part) == stacks(city, everything=True, platform=False)


def test_a_unit_that_comes_or_goes_moves_no_other_to_another_shard(city: City) -> None:
    gone = "26506"
    without = msgspec.structs.replace(
        city,
        units={code: unit for code, unit in city.units.items() if code != gone},
        allotments={code: numbers for code, numbers in city.allotments.items() if code != gone},
    )
    for number in (1, 2, 3):
        before = stacks(city, everything=True, shard=Shard(number, 3))
        assert stacks(without, everything=True, shard=Shard(number, 3)) == [
            stack for stack in before if not stack.startswith(gone)
        ]


def test_a_shard_is_cut_by_the_ledgers_number(city: City) -> None:
    assert [position(city, code) for code in ("25747", "25750", "25760")] == [0, 1, 2]
    assert parse_shard("2/4") == Shard(2, 4)


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "1", "a/b", "-1/2", "1/2/3", ""])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no shard"):
        parse_shard(text)
