"""How the page writes days, hours, telephone numbers and names: the reader's language, from the data's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from donvi.tenancy.model import SiteHours, SitePage

_BLANK = "\N{NO-BREAK SPACE}"  # a day's two words stay together, and a dash with what is before it
_DAYS = {
    "monday": "Thứ Hai",
    "tuesday": "Thứ Ba",
    "wednesday": "Thứ Tư",
    "thursday": "Thứ Năm",
    "friday": "Thứ Sáu",
    "saturday": "Thứ Bảy",
    "sunday": "Chủ nhật",
}
_SYNTHETIC = {"address": "địa chỉ", "phone": "số điện thoại", "hours": "giờ làm việc"}


def days(hours: SiteHours) -> str:
    """Return the days of a line: ``Thứ Hai – Thứ Sáu``, ``Thứ Bảy``."""
    first, last = (_DAYS[day].replace(" ", _BLANK) for day in (hours.days[0], hours.days[-1]))
    return first if first == last else f"{first}{_BLANK}– {last}"


def schema_days(hours: SiteHours) -> list[str]:
    """Return the days as schema.org names them."""
    return [day.capitalize() for day in hours.days]


def national(phone: str) -> str:
    """Return a number as people of the country write it (ITU-T E.123): ``(0254) 002 6506``."""
    _, area, *groups = phone.split(" ")
    return f"(0{area}) {' '.join(groups)}"


def dialled(phone: str) -> str:
    """Return a number for a ``tel:`` address (RFC 3966): ``+842540026506``."""
    return phone.replace(" ", "")


def body_name(page: SitePage) -> str:
    """Return the unit's name inside a sentence: the kind begins with a small letter, ``phường Vũng Tàu``."""
    return page.name[:1].lower() + page.name[1:]


def without_source(page: SitePage) -> str:
    """Return the sentence's middle that lists what was made up; "" when nothing was."""
    return ", ".join(words for field, words in _SYNTHETIC.items() if field in page.synthetic)
