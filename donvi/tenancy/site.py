"""The unit's component web site as data: what it says, before it is a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from donvi.registry.portal_model import Day
from donvi.tenancy.model import SiteHours, SiteLink, SitePage, SitePlace, UnitFacts

if TYPE_CHECKING:
    from donvi.registry import City
    from donvi.registry.portal_model import Period, Place, Schedule

DAYS: tuple[str, ...] = get_args(Day)


def site_page(city: City, facts: UnitFacts, host: str) -> SitePage:
    """Return what the unit's site says.

    :param host: name under which the site is served.
    """
    portal, contact = city.portal, city.contacts.units[facts.code]
    (schedule,) = (schedule for schedule in portal.schedules if schedule.id == contact.schedule)
    return SitePage(
        code=facts.code,
        name=facts.name,
        kind=facts.kind,
        city=city.settings.name,
        locality=facts.locality,
        identification=facts.identification,
        host=host,
        office=_place(portal.office, facts),
        counter=_place(portal.counter, facts),
        address=contact.address,
        phone=contact.phone,
        hours=week(schedule),
        hotline=SiteLink(
            title=portal.hotline.title, text=portal.hotline.text, url=portal.hotline.url, number=portal.hotline.number
        ),
        links=tuple(SiteLink(title=link.title, text=link.text, url=link.url, number="") for link in portal.links),
        synthetic=_synthetic(city, schedule),
    )


def week(schedule: Schedule) -> tuple[SiteHours, ...]:
    """Return the whole week, Monday first; days that follow each other and have the same hours are one line."""
    hours: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
        day: (_times(row.morning), _times(row.afternoon)) for row in schedule.open for day in row.days
    }
    lines: list[SiteHours] = []
    for day in DAYS:
        morning, afternoon = hours.get(day, ((), ()))
        if lines and (lines[-1].morning, lines[-1].afternoon) == (morning, afternoon):
            days = (*lines.pop().days, day)
        else:
            days = (day,)
        lines.append(SiteHours(days=days, morning=morning, afternoon=afternoon))
    return tuple(lines)


def _times(period: Period | None) -> tuple[str, ...]:
    return (period.opens, period.closes) if period else ()


def _place(place: Place, facts: UnitFacts) -> SitePlace:
    return SitePlace(title=place.title, text=place.text, mail=f"{place.mailbox}@{facts.domain}")


def _synthetic(city: City, schedule: Schedule) -> tuple[str, ...]:
    fields = {name for name in city.contacts.synthetic if name != "schedule"}
    if schedule.synthetic or "schedule" in city.contacts.synthetic:
        fields.add("hours")
    return tuple(sorted(fields))
