"""Folding, logins and what a name may hold."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donvi.registry import text


@pytest.mark.parametrize(
    ("written", "slug"),
    [
        ("Vũng Tàu", "vung-tau"),
        ("Dĩ An", "di-an"),
        ("Đông Hòa", "dong-hoa"),
        ("Ðất Đỏ", "dat-do"),  # the first letter is U+00D0
        (unicodedata.normalize("NFD", "Thạnh Mỹ Tây"), "thanh-my-tay"),
        ("Phường  Rạch\u00a0Dừa", "phuong-rach-dua"),
    ],
)
def test_a_slug_is_the_name_without_accents(written: str, slug: str) -> None:
    assert text.slugify(written) == slug


@pytest.mark.parametrize(
    ("name", "login"),
    [
        ("Nguyễn Văn An", "an.nguyen-van"),
        ("Đặng Đình Đức", "duc.dang-dinh"),
        ("Ngô Thừa", "thua.ngo"),
        ("Tuấn", "tuan"),
        ("H'Bia Niê", "nie.hbia"),
        ("Y-Wan Êban", "eban.ywan"),
        ("Phạm Quốc Việt (Tư, Thắng Tam)", "viet.pham-quoc"),
        ("Châu Thành + Bảy", "bay.chau-thanh"),
        ("Trương Công #Định", "dinh.truong-cong"),
        ("陳", ""),
    ],
)
def test_a_login_is_the_given_name_before_the_rest(name: str, login: str) -> None:
    assert text.login_base(name) == login


@given(st.lists(st.text(alphabet="aăâbcdđeêghiklmnoôơpqrstuưvxyạảấ", min_size=1, max_size=30), min_size=1, max_size=9))
def test_a_login_of_any_length_of_name_fits_a_mail_address(words: list[str]) -> None:
    login = text.login_base(" ".join(words))
    assert 0 < len(login) <= 48
    assert login.isascii()
    assert login == login.strip(".-")


@given(st.text(max_size=40))
def test_what_is_made_canonical_raises_no_objection_but_for_invisible_characters(written: str) -> None:
    made = text.canonical(written)
    assert text.canonical(made) == made
    found = text.problem(made)
    assert found is None or "isn't allowed" in found[0]


@pytest.mark.parametrize("name", ["*)(uid=*", "a\\b", "x\0y", "", "  ", "An ", "An\u200bBình", "a;b", "`id`"])
def test_a_name_that_could_be_a_filter_or_a_command_is_refused(name: str) -> None:
    assert text.name_problem(name) is not None


@pytest.mark.parametrize("name", ["H'Hen Niê", "Lê Văn A (B)", "Trương Công #Định", "A + B", "Nguyễn, An", "a" * 120])
def test_a_name_with_marks_that_people_use_is_data(name: str) -> None:
    assert text.name_problem(name) is None
