"""Rosters: the people of a unit, one file per unit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from donvi.errors import DataError
from donvi.registry.files import shown
from donvi.registry.lookup import closest
from donvi.registry.model import Person, Post, System
from donvi.registry.tables import Row, read_table
from donvi.registry.text import login_base, name_problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

COLUMNS = ("employee_id", "name", "post", "login", "number", "active")
HIGHEST_NUMBER = 899
"""The last number of a person; the rest of the unit's uid range belongs to probes."""

_EMPLOYEE = re.compile(r"(?!probe-)[a-z][a-z0-9]*(-[a-z0-9]+)*")
_NAMESAKE = re.compile(r"([2-9]|[1-9][0-9]+)?")
_LONGEST_EMPLOYEE = 32


def read_people(
    folder: Path, codes: Collection[str], posts: Mapping[str, Post], systems: Mapping[str, System]
) -> dict[str, tuple[Person, ...]]:
    """Return the people by unit code, each roster ordered by employee id.

    :raises DataError: an unknown unit or post, a login that doesn't follow from the name, anything doubled.
    """
    reserved = {box.local for system in systems.values() for box in system.mailboxes}
    reserved |= {alias.local for system in systems.values() for alias in system.aliases}
    people: dict[str, tuple[Person, ...]] = {}
    employees: dict[str, Row] = {}
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in codes:
            raise DataError(f"there is no unit {path.stem!r}", file=shown(path), hint="units.csv lists the codes")
        people[path.stem] = _roster(path, posts, reserved, employees)
    return people


def _roster(
    path: Path, posts: Mapping[str, Post], reserved: Collection[str], employees: dict[str, Row]
) -> tuple[Person, ...]:
    found: list[Person] = []
    rows = read_table(path, COLUMNS)
    logins = {row["login"]: row for row in reversed(rows)}
    numbers = {row["number"]: row for row in reversed(rows)}
    for row in rows:
        person = _person(row, posts, [*logins, *reserved])
        if (other := employees.setdefault(person.employee_id, row)) is not row:
            where = f"{other.file}, row {other.number}"
            hint = "a person is in one roster: move the line, keep the id"
            raise row.error("employee_id", f"employee {person.employee_id} stands in {where} already", hint)
        if person.login in reserved:
            raise row.error("login", f"{person.login!r} is a functional address of the unit")
        if (other := logins[person.login]) is not row:
            free = _free_login(person.name, [*logins, *reserved])
            hint = f"the next free one is {free}"
            raise row.error("login", f"{person.login!r} stands in row {other.number} already", hint)
        if (other := numbers[row["number"]]) is not row:
            free_number = next(n for n in range(1, HIGHEST_NUMBER + 1) if str(n) not in numbers)
            hint = f"the next free one is {free_number}; never reuse the number of somebody who left"
            raise row.error("number", f"{person.number} stands in row {other.number} already", hint)
        found.append(person)
    return tuple(sorted(found, key=lambda person: person.employee_id))


def _person(row: Row, posts: Mapping[str, Post], taken: Collection[str]) -> Person:
    if not _EMPLOYEE.fullmatch(row["employee_id"]) or len(row["employee_id"]) > _LONGEST_EMPLOYEE:
        hint = "lower-case ASCII letters, digits and single dashes, as cb-265001"
        raise row.error("employee_id", f"{row['employee_id']!r} isn't an employee id", hint)
    if wrong := name_problem(row["name"]):
        raise row.error("name", *wrong)
    if row["post"] not in posts:
        near = closest(row["post"], posts)
        hint = f"did you mean {near[0]!r}?" if near else f"posts.yaml has {', '.join(posts)}"
        raise row.error("post", f"there is no post {row['post']!r}", hint)
    base = login_base(row["name"])
    if not base:
        raise row.error("name", "the name holds no letter of the Latin alphabet")
    if not row["login"].startswith(base) or not _NAMESAKE.fullmatch(row["login"], len(base)):
        hint = f"write {_free_login(row['name'], taken)}"
        raise row.error("login", f"{row['login']!r} doesn't follow from the name {row['name']!r}", hint)
    if row["active"] not in {"yes", "no"}:
        raise row.error("active", f"{row['active']!r} isn't yes or no", "no: the account is locked and kept")
    return Person(
        employee_id=row["employee_id"],
        name=row["name"],
        post=row["post"],
        login=row["login"],
        number=row.integer("number", 1, HIGHEST_NUMBER),
        active=row["active"] == "yes",
    )


def _free_login(name: str, taken: Collection[str]) -> str:
    base = login_base(name)
    return next(login for n in range(1, 10**6) if (login := base if n == 1 else f"{base}{n}") not in taken)
