"""Whatever a name holds, it stays one value: in a distinguished name, in a filter, and through the server."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from donvi.backends.directory import names
from donvi.errors import DataError

if TYPE_CHECKING:
    from donvi.backends.directory import Directory
    from tests.backends.conftest import Unit

HOSTILE = ("*)(uid=*", "a,ou=x", "a+b=c", "#x", " a", "a ", "\\2C", "\\", '"', "<;>", "a\0b", "a\nb", "TRUE", "-1",
           "007", "C#", "Phường  Rạch Dừa", "Thạnh An", "Đặng", "x" * 128, "😀", "\\20", "=")  # fmt: skip
any_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def prepared(value: str) -> str:
    """What the directory's own matching makes of a value (RFC 4518), or "" where that leaves nothing."""
    kept = "".join(c for c in unicodedata.normalize("NFKC", value) if unicodedata.category(c) not in {"Cc", "Cf", "Cn"})
    return " ".join(kept.split())


@given(values=st.lists(any_text, min_size=1, max_size=4))
def test_a_name_taken_apart_gives_the_values_it_was_made_of(values: list[str]) -> None:
    dn = "dc=test"
    for value in values:
        dn = names.child("cn", value, dn)
    assert [rdn[0].value for rdn in names.parse(dn)[:-1]] == list(reversed(values))


@given(value=any_text)
def test_a_value_in_a_filter_never_becomes_syntax(value: str) -> None:
    text = names.equals("cn", value)
    assert text.count("(") == text.count(")") == 1
    assert "*" not in text
    assert "\0" not in text


@pytest.mark.parametrize(
    ("text", "value"),
    [("cn=a\\,b,dc=x", "a,b"), ("cn=\\20a\\ ,dc=x", " a "), ("cn = a b , dc=x", "a b"), ("cn=\\C4\\90,dc=x", "Đ")],
)
def test_names_written_by_others_are_understood(text: str, value: str) -> None:
    assert names.relative(text).value == value


@pytest.mark.parametrize("text", ["", "cn", "cn=a,", "=a", "cn=a\\", "cn=a\\zz", 'cn="a"', "cn=\\FF", "cn=#01"])
def test_text_that_is_no_name_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(DataError, match="RFC 4514"):
        names.parse(text)


def test_case_spacing_and_unicode_form_dont_make_another_entry() -> None:
    assert names.same("UID=NV1, OU=People,DC=test", "uid=nv1,ou=people,dc=test")
    assert names.same("cn=" + unicodedata.normalize("NFD", "Thạnh An") + ",dc=x", "cn=Thạnh An,dc=x")
    assert not names.same("cn=Thanh An,dc=x", "cn=Thạnh An,dc=x")


def test_retained_entries_lie_beside_the_units() -> None:
    assert names.retained("uid=a,ou=people,ou=1,ou=units,dc=tphcm,dc=test") == "uid=a,ou=retained,dc=tphcm,dc=test"


def through_the_server(directory: Directory, unit: Unit, value: str) -> None:
    dn = names.child("cn", value, unit.dn)
    mark = {"donviUnit": (unit.code,), "donviKey": ("names",)}
    assert directory.add(dn, {"objectClass": ("donviGroup", "donviObject"), "cn": (value,), **mark})
    moved = names.child("cn", value.replace("\\", "/"), unit.branch("groups"))
    try:
        found = directory.search(unit.dn, names.equals("cn", value))
        assert [entry.all("cn") for entry in found] == [(value,)], "a filter finds it and nothing else"
        assert names.relative(found[0].dn).value == value
        assert directory.modify(found[0].dn, replace={"description": (value,)})
        assert directory.rename(found[0].dn, moved)
        entry = directory.get(moved)
        assert entry is not None
        assert entry.one("description") == value
    finally:
        assert directory.delete(moved) or directory.delete(dn)
    assert directory.search(unit.dn, names.equals("cn", value)) == []


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_name_is_only_a_name_to_the_server(directory: Directory, unit: Unit, value: str) -> None:
    through_the_server(directory, unit, value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=any_text.filter(prepared))
def test_any_name_makes_the_round_trip(directory: Directory, unit: Unit, value: str) -> None:
    through_the_server(directory, unit, value)


def test_a_filter_made_of_a_hostile_name_finds_nobody(directory: Directory, unit: Unit) -> None:
    for value in ("*", "*)(objectClass=*", "nv*", "\\2a"):
        assert directory.search(unit.dn, names.equals("ou", value)) == []
