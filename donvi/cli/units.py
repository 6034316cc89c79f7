"""``donvi units``: the units of the city."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from donvi.cli.output import Json, console, print_json
from donvi.errors import UsageError
from donvi.registry import City, load_city
from donvi.registry.text import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """
Examples:

`donvi units --wave 1` · the pilots

`donvi units --locality "ba ria vung tau" --kind xã` · accents may be left out

`donvi units --json | jq -r '.[].slug'`
"""


class UnitLine(Struct, frozen=True, kw_only=True):
    """One unit as ``--json`` prints it."""

    code: str
    name: str
    slug: str
    kind: str
    locality: str
    wave: int


def units(
    wave: Annotated[int | None, typer.Option(help="Only units of this wave.")] = None,
    locality: Annotated[str | None, typer.Option(help="Only units of this former locality.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only phường, xã or đặc khu.")] = None,
    as_json: Json = False,  # noqa: FBT002  # typer's way of declaring a flag
) -> None:
    """List the units: code, name, slug, kind, former locality and wave."""
    city = load_city()
    found = select(city, wave=wave, locality=locality, kind=kind)
    if as_json:
        print_json(found)
    else:
        _render(city, found)


def select(city: City, *, wave: int | None, locality: str | None, kind: str | None) -> list[UnitLine]:
    """Return the units that every given filter lets through, by code.

    :raises UsageError: no unit of the city has that wave, locality or kind.
    """
    lines = [
        UnitLine(
            code=unit.code,
            name=unit.name,
            slug=city.allotments[unit.code].slug,
            kind=unit.kind,
            locality=unit.locality,
            wave=unit.wave,
        )
        for unit in city.units.values()
    ]
    for field, wanted in (("wave", wave), ("locality", locality), ("kind", kind)):
        if wanted is not None:
            values = sorted({str(getattr(line, field)) for line in lines})
            if fold(str(wanted)) not in map(fold, values):
                raise UsageError(f"no unit has {field} {str(wanted)!r}", hint=f"there are: {', '.join(values)}")
    return [
        line
        for line in lines
        if (wave is None or line.wave == wave)
        and (locality is None or fold(line.locality) == fold(locality))
        and (kind is None or fold(line.kind) == fold(kind))
    ]


def _render(city: City, found: Sequence[UnitLine]) -> None:
    from rich.table import Table  # not needed for --json

    table = Table(box=None, pad_edge=False, header_style="bold")
    marks = {name: " *" if name in city.synthetic else "" for name in UnitLine.__struct_fields__}
    for field, title in zip(UnitLine.__struct_fields__, _TITLES, strict=True):
        table.add_column(title + marks[field], no_wrap=True)
    for line in found:
        table.add_row(*(str(getattr(line, field)) for field in UnitLine.__struct_fields__))
    out = console()
    out.print(table)
    out.print(f"\n{len(found)} đơn vị" + ("; * chưa có nguồn, giá trị giả lập" if any(marks.values()) else ""))


_TITLES = ("mã", "tên", "slug", "loại", "địa phương cũ", "đợt")
