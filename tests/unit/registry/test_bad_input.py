"""Whatever is wrong in the city's files is refused with file, row and column, and says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import yaml

from donvi.errors import DataError
from donvi.registry import load_city

if TYPE_CHECKING:
    from collections.abc import Callable


class Case(NamedTuple):
    """One edit of a file, and where and how it must be refused."""

    name: str
    file: str
    old: str
    new: str
    column: str | None  # the column's name; None where the column is a number
    at: str  # what stands at the place the error names: begins the line, or the value at a numbered column
    says: str


def _cases() -> list[Case]:
    text = Path(__file__).with_name("bad_input.yaml").read_text(encoding="utf-8")
    return [Case(**case) for case in yaml.safe_load(text)]


CASES = _cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_bad_input_is_refused_with_its_place(
    case: Case, city_copy: Path, edit: Callable[[str, str, str], None]
) -> None:
    edit(case.file, case.old, case.new)

    with pytest.raises(DataError) as caught:
        load_city(city_copy)

    error = caught.value
    assert error.file.endswith(case.file)
    assert case.says in str(error)
    assert error.row is not None
    line = (city_copy / case.file).read_text(encoding="utf-8").split("\n")[error.row - 1]
    if case.column is None:
        assert isinstance(error.column, int)
        assert line[error.column - 1 :].startswith(case.at)
    else:
        assert (error.column or "") == case.column
        assert line.startswith(case.at)


def test_a_byte_order_mark_is_refused(city_copy: Path) -> None:
    path = city_copy / "units.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    with pytest.raises(DataError, match=r"units\.csv:1:1: starts with a byte order mark"):
        load_city(city_copy)


def test_text_that_is_not_utf8_is_refused_where_it_stands(city_copy: Path) -> None:
    path = city_copy / "people" / "26506.csv"
    path.write_bytes(path.read_bytes() + "cb-1,Trần".encode("utf-16-le"))
    with pytest.raises(DataError, match=r"26506\.csv:11:\d+: isn't UTF-8|NUL"):
        load_city(city_copy)


def test_a_yaml_bomb_is_refused_before_it_grows(city_copy: Path) -> None:
    levels = "\n".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 10))
    (city_copy / "systems" / "bomb.yaml").write_text(f"x0: &x0 [lol]\n{levels}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"bomb\.yaml:1:5: anchors and aliases"):
        load_city(city_copy)


def test_a_huge_file_is_refused_unread(city_copy: Path) -> None:
    (city_copy / "posts.yaml").write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    with pytest.raises(DataError, match="split the file"):
        load_city(city_copy)


def test_deep_nesting_is_refused(city_copy: Path) -> None:
    (city_copy / "posts.yaml").write_text("posts: " + "[" * 5000 + "]" * 5000, encoding="utf-8")
    with pytest.raises(DataError, match=r"posts\.yaml:1:\d+: "):
        load_city(city_copy)


def test_a_name_of_300_characters_is_refused(city_copy: Path, edit: Callable[[str, str, str], None]) -> None:
    edit("people/26506.csv", "Huỳnh Phước Lộc", "Lộc" * 100)
    with pytest.raises(DataError, match=r"26506\.csv:9:name: the name has 300 characters, 120 are allowed"):
        load_city(city_copy)


@pytest.mark.parametrize("file", ["units.csv", "ledger.csv", "posts.yaml", "city.yaml", "contacts.csv", "portal.yaml"])
def test_a_missing_file_is_named(city_copy: Path, file: str) -> None:
    (city_copy / file).unlink()
    with pytest.raises(DataError, match=f"{file}: cannot be read"):
        load_city(city_copy)


def test_a_roster_of_an_unknown_unit_is_refused(city_copy: Path) -> None:
    (city_copy / "people" / "11111.csv").write_text("employee_id\n", encoding="utf-8")
    with pytest.raises(DataError, match="there is no unit '11111'"):
        load_city(city_copy)


def test_two_people_of_one_name_get_the_next_free_login_suggested(
    city_copy: Path, edit: Callable[[str, str, str], None]
) -> None:
    edit("people/26506.csv", "an.nguyen-van3,6", "an.nguyen-van,6")
    with pytest.raises(DataError, match=r"26506\.csv:7:login: .*row 2 already.*next free one is an\.nguyen-van3"):
        load_city(city_copy)


def test_a_unit_without_contacts_is_named(city_copy: Path, edit: Callable[[str, str, str], None]) -> None:
    line = '26506,"379 Phan Chu Trinh, phường Vũng Tàu",+84 254 002 6506,saturday-morning\n'
    edit("contacts.csv", line, "")
    with pytest.raises(DataError, match=r"contacts\.csv:\d+:unit: unit 26506 has no line"):
        load_city(city_copy)
