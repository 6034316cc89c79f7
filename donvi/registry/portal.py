"""``portal.yaml`` and ``contacts.csv``: what the units' web sites say."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from donvi.registry.documents import Document, read_document
from donvi.registry.portal_model import Contact, Contacts, Portal
from donvi.registry.settings import known, unique
from donvi.registry.tables import Row, read_table
from donvi.registry.text import name_problem
from donvi.registry.units import read_sources

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from donvi.registry.model import System
    from donvi.registry.portal_model import OpenDays, Schedule

COLUMNS = ("unit", "address", "phone", "schedule")

_PHONE = re.compile(r"\+84( [0-9]{2,5}){2,4}")
_LONGEST_PHONE = 15  # digits, ITU-T E.164


def read_portal(path: Path, systems: Mapping[str, System]) -> Portal:
    """Return what the sites have in common.

    :raises DataError: a mailbox that no system of the catalogue has, a doubled id, hours that run backwards.
    """
    document = read_document(path)
    portal = document.parse(Portal)
    mailboxes = [box.local for system in systems.values() for box in system.mailboxes]
    for place in ("office", "counter"):
        known(document, f"$.{place}.mailbox", "functional mailbox", getattr(portal, place).mailbox, mailboxes)
    unique(document, "$.links", "id", [link.id for link in portal.links])
    unique(document, "$.schedules", "id", [schedule.id for schedule in portal.schedules])
    for index, schedule in enumerate(portal.schedules):
        _check_schedule(document, f"$.schedules[{index}]", schedule)
    return portal


def _check_schedule(document: Document, path: str, schedule: Schedule) -> None:
    seen: set[str] = set()
    for index, row in enumerate(schedule.open):
        place = f"{path}.open[{index}]"
        for number, day in enumerate(row.days):
            if day in seen:
                raise document.error(f"{place}.days[{number}]", f"{day} stands twice in {schedule.id!r}", "once a week")
            seen.add(day)
        _check_hours(document, place, row)


def _check_hours(document: Document, path: str, row: OpenDays) -> None:
    periods = [period for period in (row.morning, row.afternoon) if period]
    if not periods:
        raise document.error(path, "the days have no hours", "give a morning or an afternoon, or leave the days out")
    times = [time for period in periods for time in (period.opens, period.closes)]
    if any(earlier >= later for earlier, later in pairwise(times)):
        raise document.error(path, f"the hours {' '.join(times)} don't follow each other", "earlier times come first")


def read_contacts(path: Path, sources: Path, codes: Mapping[str, object], portal: Portal) -> Contacts:
    """Return where the units are found, every unit once.

    :raises DataError: an unknown unit or schedule, a unit twice or not at all, an address or number that isn't one.
    """
    schedules = [schedule.id for schedule in portal.schedules]
    found: dict[str, Contact] = {}
    for row in (rows := read_table(path, COLUMNS)):
        contact = _contact(row, codes, schedules)
        if contact.unit in found:
            raise row.error("unit", f"unit {contact.unit} stands in the table already", "keep one line")
        found[contact.unit] = contact
    if missing := sorted(set(codes) - set(found)):
        last = rows[-1] if rows else Row(str(path), 1, {})
        raise last.error("unit", f"unit {missing[0]} has no line in the table", "add one: its page needs an address")
    return Contacts(units=dict(sorted(found.items())), synthetic=read_sources(sources, COLUMNS))


def _contact(row: Row, codes: Mapping[str, object], schedules: list[str]) -> Contact:
    if row["unit"] not in codes:
        raise row.error("unit", f"there is no unit {row['unit']!r}", "units.csv lists the codes")
    if wrong := name_problem(row["address"]):
        raise row.error("address", *wrong)
    phone = row["phone"]
    if not _PHONE.fullmatch(phone) or sum(map(str.isdigit, phone)) > _LONGEST_PHONE:
        raise row.error("phone", f"{phone!r} isn't a number", "write it as +84 254 002 6506: country, area, groups")
    if row["schedule"] not in schedules:
        hint = f"portal.yaml has {', '.join(schedules)}"
        raise row.error("schedule", f"there is no schedule {row['schedule']!r}", hint)
    return Contact(unit=row["unit"], address=row["address"], phone=phone, schedule=row["schedule"])
