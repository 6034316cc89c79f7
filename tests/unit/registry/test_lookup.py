"""Finding a unit from what a person types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from donvi.errors import UsageError
from donvi.registry import find_unit

if TYPE_CHECKING:
    from donvi.registry import City


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("26506", "26506"),
        ("vung-tau", "26506"),
        ("26506-vung-tau", "26506"),
        ("vung tau", "26506"),
        ("VŨNG TÀU", "26506"),
        ("  phuong vung tau ", "26506"),
        ("Phường Vũng Tàu", "26506"),
        ("con dao", "26732"),
        ("dac khu con dao", "26732"),
        ("di an", "25942"),
        ("Dĩ An", "25942"),
        ("an nhon", "26887"),
        ("thanh-an", "25807"),
        ("thanh-an-27676", "27676"),
        ("Thạnh An", "27676"),
    ],
)
def test_a_unit_is_found_by_code_slug_or_name(city: City, query: str, code: str) -> None:
    assert find_unit(city, query).code == code


@pytest.mark.parametrize("query", ["thanh an", "xa thanh an", "THANH AN"])
def test_an_ambiguous_name_lists_every_unit_it_means(city: City, query: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_unit(city, query)
    assert "25807 thanh-an" in str(caught.value)
    assert "27676 thanh-an-27676" in str(caught.value)


@pytest.mark.parametrize(("query", "near"), [("vung tao", "26506"), ("sai gonn", "26740"), ("26507", "26506")])
def test_a_misspelt_name_gets_a_suggestion(city: City, query: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean .*{near}"):
        find_unit(city, query)


@pytest.mark.parametrize("query", ["", "   ", "*", "zzzzzzzz", "\0"])
def test_nonsense_is_refused(city: City, query: str) -> None:
    with pytest.raises(UsageError, match="there is no unit"):
        find_unit(city, query)


def test_every_unit_is_found_by_its_own_slug_code_and_full_name(city: City) -> None:
    doubled = {"25807", "27676"}
    for code, numbers in city.allotments.items():
        assert find_unit(city, numbers.slug).code == code
        assert find_unit(city, code).code == code
        if code not in doubled:
            assert find_unit(city, city.units[code].name).code == code
