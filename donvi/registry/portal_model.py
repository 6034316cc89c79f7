"""What the units' web sites say, as frozen types: ``contacts.csv`` and ``portal.yaml``, field by field."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from donvi.registry.model import Identifier, Local, Title, _File

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Clock = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Sentence = Annotated[str, Meta(min_length=1, max_length=300)]
#: nothing but https to a plain host name and path: no other scheme, no user, port, query or fragment
Address = Annotated[str, Meta(pattern="^https://[a-z0-9-]+(\\.[a-z0-9-]+)+(/[A-Za-z0-9._~/-]*)?$", max_length=200)]
ShortNumber = Annotated[str, Meta(pattern="^1[0-9]{2,5}$")]


class Period(_File, frozen=True, kw_only=True):
    """A part of a day, hours and minutes: ``07:30`` to ``11:30``."""

    opens: Clock
    closes: Clock


class OpenDays(_File, frozen=True, kw_only=True):
    """Days of the week that have the same hours."""

    days: Annotated[tuple[Day, ...], Meta(min_length=1)]
    morning: Period | None = None
    afternoon: Period | None = None


class Schedule(_File, frozen=True, kw_only=True):
    """Hours that counters have; a day that isn't named is closed. synthetic: made up, and shown so."""

    id: Identifier
    source: Sentence
    synthetic: bool = False
    open: Annotated[tuple[OpenDays, ...], Meta(min_length=1)]


class Place(_File, frozen=True, kw_only=True):
    """Somebody of the unit who is written to at one of its functional mailboxes."""

    title: Title
    mailbox: Local
    text: Sentence


class PortalLink(_File, frozen=True, kw_only=True):
    """A site that every unit's page leads to."""

    id: Identifier
    title: Title
    text: Sentence
    url: Address


class Hotline(_File, frozen=True, kw_only=True):
    """The city's telephone for everything."""

    number: ShortNumber
    title: Title
    text: Sentence
    url: Address


class Portal(_File, frozen=True, kw_only=True):
    """What the units' sites have in common (``portal.yaml``).

    links: the first is where dossiers are handed in and stands out on the page.
    """

    office: Place
    counter: Place
    hotline: Hotline
    links: Annotated[tuple[PortalLink, ...], Meta(min_length=1)]
    schedules: Annotated[tuple[Schedule, ...], Meta(min_length=1)]


class Contact(Struct, frozen=True, kw_only=True):
    """Where a unit is found (one line of ``contacts.csv``)."""

    unit: str
    address: str
    phone: str  # international, groups as they are read: +84 254 002 6506
    schedule: str  # id of the counter's hours


class Contacts(Struct, frozen=True, kw_only=True):
    """Everybody's, and which columns have no source."""

    units: dict[str, Contact]  # by code, ordered
    synthetic: tuple[str, ...]
