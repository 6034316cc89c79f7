"""From what a site says to its files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.site import wording

if TYPE_CHECKING:
    from jinja2 import Environment

    from donvi.tenancy.model import SitePage

_TEMPLATES = Path(__file__).with_name("templates")
_PAGES = ("404.html", "index.html")
_AS_THEY_ARE = ("favicon.svg", "style.css")


def render(page: SitePage) -> dict[str, str]:
    """Return the site's files by name, in order of their names.

    Everything that comes from the city's data is text: what looks like markup is shown as it was written.
    """
    words = {
        "page": page,
        "unit": wording.body_name(page),
        "phone": wording.national(page.phone),
        "tel": wording.dialled(page.phone),
        "without_source": wording.without_source(page),
    }
    pages = {name: _environment().get_template(name).render(words) for name in _PAGES}
    return dict(sorted({**pages, **_still()}.items()))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"days": wording.days, "schema_days": wording.schema_days}
    return environment


@cache
def _still() -> dict[str, str]:
    return {name: (_TEMPLATES / name).read_text(encoding="utf-8") for name in _AS_THEY_ARE}
