"""What a unit's web site says follows from the city's data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.registry import load_city
from donvi.tenancy.describe import describe
from donvi.tenancy.site import site_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from donvi.registry import City
    from donvi.tenancy.model import SitePage


def said(city: City, code: str) -> SitePage:
    facts = describe(city, code).unit
    return site_page(city, facts, f"www.{facts.domain}")


def test_the_week_is_whole_and_days_of_the_same_hours_are_one_line(city: City) -> None:
    lines = [(hours.days[0], hours.days[-1], hours.morning, hours.afternoon) for hours in said(city, "26506").hours]
    assert lines == [
        ("monday", "friday", ("07:30", "11:30"), ("13:00", "17:00")),
        ("saturday", "saturday", ("07:30", "11:30"), ()),
        ("sunday", "sunday", (), ()),
    ]


def test_a_unit_without_saturdays_is_closed_on_two_days(city: City) -> None:
    code = next(code for code, contact in city.contacts.units.items() if contact.schedule == "weekdays")
    assert [hours.days for hours in said(city, code).hours][-1] == ("saturday", "sunday")


def test_days_apart_with_the_same_hours_are_lines_of_their_own(
    city_copy: Path, edit: Callable[[str, str, str], None]
) -> None:
    old = '      - days: [saturday]\n        morning: {opens: "07:30", closes: "11:30"}'
    edit("portal.yaml", old, "")
    text = (city_copy / "portal.yaml").read_text(encoding="utf-8")
    spread = text.replace("[monday, tuesday, wednesday, thursday, friday]", "[friday, monday]")
    (city_copy / "portal.yaml").write_text(spread, encoding="utf-8")
    days = [hours.days for hours in said(load_city(city_copy), "26506").hours]
    assert days == [("monday",), ("tuesday", "wednesday", "thursday"), ("friday",), ("saturday", "sunday")]


def test_mail_goes_to_the_units_own_functional_mailboxes(city: City) -> None:
    page = said(city, "26506")
    boxes = {box.address for box in describe(city, "26506").mailboxes if box.kind == "functional"}
    assert {page.office.mail, page.counter.mail} <= boxes


def test_what_has_no_source_is_marked(city: City) -> None:
    assert said(city, "26506").synthetic == ("address", "hours", "phone")
