"""The reviewed list of units against the official one."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import vietnam_provinces

from donvi.registry.text import canonical

if TYPE_CHECKING:
    from donvi.registry import City

HO_CHI_MINH_CITY = 79


@pytest.fixture(scope="module")
def official() -> dict[str, dict[str, Any]]:
    with open(vietnam_provinces.NESTED_DIVISIONS_JSON_PATH, encoding="utf-8") as handle:  # noqa: PTH123
        provinces = json.load(handle)
    (city,) = (province for province in provinces if province["code"] == HO_CHI_MINH_CITY)
    return {f"{ward['code']:05d}": ward for ward in city["wards"]}


def test_every_official_unit_is_there_and_no_other(city: City, official: dict[str, Any]) -> None:
    assert set(city.units) == set(official)


def test_names_and_kinds_are_the_official_ones_with_single_spaces(city: City, official: dict[str, Any]) -> None:
    ours = {code: (unit.name, unit.kind) for code, unit in city.units.items()}
    assert ours == {code: (canonical(ward["name"]), ward["division_type"]) for code, ward in official.items()}


def test_the_two_doubled_spaces_of_the_source_are_gone(city: City) -> None:
    assert city.units["26536"].name == "Phường Rạch Dừa"
    assert city.units["26887"].name == "Phường An Nhơn"


def test_there_are_113_wards_54_communes_and_one_special_zone(city: City) -> None:
    assert Counter(unit.kind for unit in city.units.values()) == {"phường": 113, "xã": 54, "đặc khu": 1}


@pytest.mark.parametrize(
    ("first", "last", "locality", "kinds"),
    [
        (25747, 25987, "Bình Dương", {"phường": 24, "xã": 12}),
        (26506, 26732, "Bà Rịa–Vũng Tàu", {"phường": 11, "xã": 18, "đặc khu": 1}),
        (26737, 27676, "Thành phố Hồ Chí Minh", {"phường": 78, "xã": 24}),
    ],
)
def test_the_former_locality_follows_from_the_run_of_codes(
    city: City, first: int, last: int, locality: str, kinds: dict[str, int]
) -> None:
    run = [unit for unit in city.units.values() if first <= int(unit.code) <= last]
    assert {unit.locality for unit in run} == {locality}
    assert Counter(unit.kind for unit in run) == kinds


def test_the_first_wave_is_five_units_of_each_former_locality_our_pilots_among_them(city: City) -> None:
    pilots = [unit for unit in city.units.values() if unit.wave == 1]
    assert set(Counter(unit.locality for unit in pilots).values()) == {5}
    assert set(city.people) <= {unit.code for unit in pilots}


def test_what_has_no_source_is_marked_synthetic(city: City) -> None:
    assert city.synthetic == ("population_class", "wave")


def test_synthetic_telephones_can_ring_nobody(city: City) -> None:
    """No subscriber's number of the country begins with 0."""
    assert "phone" in city.contacts.synthetic
    areas = {"Bình Dương": "274", "Bà Rịa–Vũng Tàu": "254", "Thành phố Hồ Chí Minh": "28"}
    for unit in city.units.values():
        assert city.contacts.units[unit.code].phone.startswith(f"+84 {areas[unit.locality]} 0")
    assert len({contact.phone for contact in city.contacts.units.values()}) == len(city.units)


def test_counters_open_on_saturday_in_130_units(city: City) -> None:
    assert Counter(contact.schedule for contact in city.contacts.units.values())["saturday-morning"] == 130
