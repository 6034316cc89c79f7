"""A city's folder with every commune-level unit of the country: 3,321 of them, to see what grows with the fleet.

Codes, names and kinds are the official ones; the 168 units of the city keep their numbers, the others get theirs by the
ledger's own rules. Wave, rosters and contacts are made up, the same every time. Run as a program it writes the folder
and prints how many units it holds: ``python -m tests.support.nationwide FOLDER``.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import vietnam_provinces

from donvi.registry.allotment import append_lines, plan
from donvi.registry.catalogue import host_names, read_systems
from donvi.registry.images import read_images
from donvi.registry.ledger import read_ledger
from donvi.registry.settings import read_posts, read_settings
from donvi.registry.text import canonical, login_base
from donvi.registry.units import read_units

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CITY = Path(__file__).parents[2] / "city"
UNITS = 3321
PILOTS = 5
"""Units of wave 1 in each province, the first by code."""

CLASSES = {"phường": "large", "xã": "medium", "đặc khu": "small"}
POSTS = ("chairperson", "vice-chairperson", "office-chief", "clerk", "counter-officer", "it-officer")
FAMILIES = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Ngô")
MIDDLES = ("Văn", "Thị", "Hữu", "Đức", "Ngọc", "Minh", "Quốc", "Thanh", "Xuân", "Thu", "Hồng")
GIVENS = ("An", "Bình", "Chi", "Dũng", "Giang", "Hà", "Hải", "Hạnh", "Hiếu", "Hòa", "Lan", "Long", "Mai", "Nam", "Sơn")


def write(folder: Path, others: int = UNITS) -> Path:
    """Write the country as a city's folder, which must not exist yet; returns it.

    :param others: how many units beside the city's own, at most; fewer make a country of another size, else alike.
    """
    shutil.copytree(CITY, folder)
    ours = {row["code"] for row in _rows(CITY / "units.csv")}
    added = [unit for unit in _official() if unit["code"] not in ours][:others]
    _append(folder / "units.csv", added)
    _append(
        folder / "sites.csv", ({"unit": one["code"], "id": "main", "number": 0, "title": "Trụ sở"} for one in added)
    )
    _append(folder / "contacts.csv", map(_contact, added))
    for unit in added:
        _roster(folder / f"people/{unit['code']}.csv", unit["code"])
    _allot(folder)
    return folder


def _official() -> Iterator[dict[str, object]]:
    provinces = json.loads(Path(vietnam_provinces.NESTED_DIVISIONS_JSON_PATH).read_text(encoding="utf-8"))
    seen: dict[str, int] = defaultdict(int)
    for province in provinces:
        locality = canonical(province["name"])
        for ward in sorted(province["wards"], key=lambda ward: ward["code"]):
            seen[locality] += 1
            yield {
                "code": f"{ward['code']:05d}",
                "name": canonical(ward["name"]),
                "kind": ward["division_type"],
                "locality": locality,
                "wave": 1 if seen[locality] <= PILOTS else 2 + ward["code"] % 3,
                "population_class": CLASSES[ward["division_type"]],
                "predecessors": "",
            }


def _contact(unit: dict[str, object]) -> dict[str, object]:
    code = str(unit["code"])
    address = f"{int(code) % 300 + 1} Trần Phú, {str(unit['name']).lower()}"
    return {"unit": code, "address": address, "phone": f"+84 274 00{code[0]} {code[1:]}", "schedule": "weekdays"}


def _roster(path: Path, code: str) -> None:
    header = ("employee_id", "name", "post", "login", "number", "active")
    people = []
    for number, post in enumerate(POSTS, 1):
        name = _name(int(code) * len(POSTS) + number)
        people.append((f"cb-{code}{number}", name, post, login_base(name), number, "yes"))
    _table(path, header, people)


def _name(number: int) -> str:
    """Return the name of a person by number; neighbours in number have different ones."""
    family, middle = FAMILIES[number % len(FAMILIES)], MIDDLES[number * 7 // 3 % len(MIDDLES)]
    return f"{family} {middle} {GIVENS[number % len(GIVENS)]}"


def _allot(folder: Path) -> None:
    settings = read_settings(folder / "city.yaml")
    posts, images = read_posts(folder / "posts.yaml"), read_images(folder / "images.yaml")
    taken = host_names(settings, read_systems(folder / "systems", settings, posts, images))
    units = {code: unit for code, (unit, _) in read_units(folder / "units.csv").items()}
    path = folder / "ledger.csv"
    lines = read_ledger(path, settings)
    append_lines(path, settings, lines, plan(settings, units, lines, taken))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _append(path: Path, values: Iterable[dict[str, object]]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, header, lineterminator="\n").writerows(values)


def _table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


if __name__ == "__main__":
    sys.stdout.write(f"{len(_rows(write(Path(sys.argv[1])) / 'units.csv'))} units in {sys.argv[1]}\n")
