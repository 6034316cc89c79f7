"""Why a stack may be left out: what is compared is all that a preview is made of."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from donvi.fleet.affected.code import ROOTS, config_folder, read_code
from donvi.fleet.affected.data import PROGRAM_READS, compare, narrowed
from donvi.fleet.affected.imports import imports
from donvi.fleet.affected.whole import POLICIES_READ
from donvi.registry import load_city
from donvi.tenancy import describe, platform_description

if TYPE_CHECKING:
    from donvi.registry import City

REPOSITORY = Path(__file__).parents[3]

TRACED = """
import json, os, sys
opened = set()
def hear(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        opened.add(os.path.realpath(os.fsdecode(args[0])))
sys.addaudithook(hear)
sys.path.insert(0, os.getcwd())
import stacks.program, components.apps
from donvi.provider.handler import *
import donvi.provider.server
import policies.server, policies.judge
from policies.city import read_city
from policies.waivers import read_waivers, register_file
from donvi.registry import load_city
from donvi.site import render
from donvi.tenancy import describe, platform_description
from donvi.tenancy.machines import unit_machines
import pkgutil, importlib
import donvi.provider.handlers as handlers
for found in pkgutil.iter_modules(handlers.__path__):
    importlib.import_module(f"donvi.provider.handlers.{found.name}")
import lab.kubernetes_plugin.servicer
city = load_city()
for code in list(city.units)[:3]:
    tenancy = describe(city, code)
    unit_machines(tenancy)
    for app in tenancy.apps:
        app.page and render(app.page)
platform_description(city)
read_city()
read_waivers(register_file(), ())
print(json.dumps(sorted(opened)))
"""


@cache
def known() -> City:
    return load_city(REPOSITORY / "city")


def test_a_unit_s_description_needs_nothing_of_other_units(city: City) -> None:
    for code in city.units:
        assert describe(narrowed(city, code), code) == describe(city, code), code


def mutants() -> st.SearchStrategy[Any]:
    """What may be edited, and of which unit where it is one unit's."""
    codes = st.sampled_from(sorted(known().people)[:6] + sorted(known().units)[40:44])
    return st.tuples(st.sampled_from([*OWN, *OWN, *SHARED]), codes)


change = msgspec.structs.replace


def edited(city: City, what: str, code: str) -> City:
    return SHARED[what](city) if what in SHARED else OWN[what](city, code)


def _at(field: str, make: Any) -> Any:
    """An edit of one unit's entry, where it has one."""

    def edit(city: City, code: str) -> City:
        entries = getattr(city, field)
        return change(city, **{field: {**entries, code: make(entries[code])}}) if code in entries else city

    return edit


def _contact(**fields: str) -> Any:
    def edit(city: City, code: str) -> City:
        units = {**city.contacts.units, code: change(city.contacts.units[code], **fields)}
        return change(city, contacts=change(city.contacts, units=units))

    return edit


def _mail(make: Any) -> Any:
    return lambda city: change(city, systems={**city.systems, "mail": make(city.systems["mail"])})


def _link(city: City) -> City:
    links = (change(city.settings.links[0], port=4444), *city.settings.links[1:])
    return change(city, settings=change(city.settings, links=links))


OWN: dict[str, Any] = {
    "telephone": _contact(phone="+84 1 2 3"),
    "address": _contact(address="1 Lê Lợi"),
    "name": _at("units", lambda unit: change(unit, name=f"{unit.name} Mới")),
    "wave": _at("units", lambda unit: change(unit, wave=unit.wave + 1)),
    "site": _at("sites", lambda sites: (sites[0], change(sites[0], id="phu", number=3, title="Cơ sở 2"))),
    "person": _at("people", lambda people: (change(people[0], name="Lê Văn Tám"), *people[1:])),
    "leaver": _at("people", lambda people: (change(people[0], active=False), *people[1:])),
    "slug": _at("allotments", lambda numbers: change(numbers, slug="moi")),
    "prefix": _at("allotments", lambda numbers: change(numbers, ipv4="10.255.0.0/20")),
}
SHARED: dict[str, Any] = {
    "link": _link,
    "portal": lambda city: change(city, portal=change(city.portal, office=change(city.portal.office, title="Khác"))),
    "flow": _mail(lambda mail: change(mail, flows=(change(mail.flows[0], port=587), *mail.flows[1:]))),
    "title": _mail(lambda mail: change(mail, name="Thư")),
    "quota": _mail(lambda mail: change(mail, mailboxes=(change(mail.mailboxes[0], quota_mb=1), *mail.mailboxes[1:]))),
}


@settings(max_examples=20, deadline=None)
@given(st.lists(mutants(), min_size=1, max_size=3))
def test_the_quick_comparison_finds_what_describing_everybody_twice_finds(edits: list[tuple[str, str]]) -> None:
    now = known()
    for what, code in edits:
        now = edited(now, what, code)
    few = {*sorted(known().people)[:6], *sorted(known().units)[38:46]}
    slow = {code for code in few if describe(known(), code) != describe(now, code)}
    if platform_description(known()) != platform_description(now):
        slow.add("platform")
    quick = compare(known(), now)
    assert {code for code in quick if code in few or code == "platform"} == slow
    assert all(quick.values())


def test_what_the_program_reads_of_the_city_beside_descriptions_is_compared() -> None:
    read = set()
    for path in [path for path in read_code(REPOSITORY).used if path.startswith("stacks/") and path.endswith(".py")]:
        for node in ast.walk(ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))):
            chain = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if chain.startswith("city."):
                read.add(chain.removeprefix("city."))
    leaves = {one for one in read if not any(other.startswith(f"{one}.") for other in read)}
    assert leaves - {"allotments.get"} == set(PROGRAM_READS), (
        "allotments make the stack's name, which a description has"
    )


def test_components_get_descriptions_and_never_the_city() -> None:
    for path in (REPOSITORY / "components").glob("*.py"):
        assert "donvi.registry" not in path.read_text(encoding="utf-8"), path


def test_what_the_engine_starts_is_where_the_imports_are_followed_from() -> None:
    project = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert ROOTS["program"] == f"{project['main']}.__main__"
    assert config_folder(REPOSITORY) == REPOSITORY / project["stackConfigDir"]
    started = []
    for place in [*(one["path"] for one in project["plugins"]["providers"]), "lab/kubernetes_plugin/path"]:
        for launcher in (REPOSITORY / place).iterdir():
            if launcher.is_file() and launcher.suffix != ".yaml":
                started += re.findall(r"-m ([\w.]+)", launcher.read_text(encoding="utf-8"))
    assert {f"{module}.__main__" for module in started} == {ROOTS["provider"], ROOTS["cluster plugin"]}
    assert (REPOSITORY / "policies/__main__.py").is_file()


def test_every_file_of_the_repository_that_a_run_opens_is_compared() -> None:
    """The program, the provider with every handler, the policies and the plugin, watched while they do their work."""
    environ = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(
        [sys.executable, "-B", "-c", TRACED], cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    opened = [Path(path) for path in json.loads(done.stdout)]
    code = read_code(REPOSITORY)
    environment = (REPOSITORY / ".venv", REPOSITORY / "city")
    ours = [path for path in opened if path.is_relative_to(REPOSITORY) and path.is_file()]
    seen = [
        path.relative_to(REPOSITORY).as_posix()
        for path in ours
        if not any(path.is_relative_to(place) for place in environment) and path.suffix != ".pyc"
    ]
    modules = {path.parent.parent / f"{path.name.partition('.')[0]}.py" for path in ours if "__pycache__" in path.parts}
    seen += [
        path.relative_to(REPOSITORY).as_posix()
        for path in modules
        if path.is_relative_to(REPOSITORY) and not path.is_relative_to(REPOSITORY / ".venv")
    ]
    assert len(seen) > 100
    assert [path for path in seen if not code.why(path)] == []


def test_policies_read_no_roster_and_the_ledger_and_the_city() -> None:
    script = (
        "import sys, os, json\nsys.path.insert(0, os.getcwd())\nfrom policies.city import read_city\n"
        "import donvi.registry.city\nopened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "read_city()\nprint(json.dumps(opened))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    read = {Path(path).name for path in json.loads(done.stdout) if "/city/" in path}
    assert read == POLICIES_READ


def test_imports_below_type_checking_don_t_count_and_dynamic_ones_take_the_package() -> None:
    text = b"""
from __future__ import annotations
from typing import TYPE_CHECKING
from . import near
from ..far import thing
if TYPE_CHECKING:
    import never
else:
    import other
def late():
    import later.deep
    importlib.import_module("x" + y)
"""
    found = imports(text, "a.b.c", is_package=False)
    assert set(found.names) >= {"a.b.near", "a.far", "a.far.thing", "other", "later.deep"}
    assert "never" not in found.names
    assert found.package == "a.b"
    assert not found.silent
    assert imports(b'"""Docs."""\n', "a", is_package=True).silent
