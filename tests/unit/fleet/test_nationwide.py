"""The whole country as one city: 3,321 units. Nothing may cost more per unit because there are more units.

What is compared are calls of Python functions, which a busy host doesn't change; ``tests/bench/scale.py`` has seconds.
"""

from __future__ import annotations

import cProfile
import pstats
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from donvi.errors import DataError
from donvi.fleet.operator import Choices, bundle
from donvi.fleet.select import Selection, Shard, choose
from donvi.registry import City, load_city
from donvi.registry.ledger import read_ledger
from donvi.tenancy import describe
from tests.support import nationwide
from tests.support.operator_crd import definition, faults, schema
from tests.unit.fleet.operator.test_manifests import IMAGE, PLACES

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
MEGABYTES = 110
"""What reading, describing and writing the manifests of the whole country may hold at its peak; 64 were measured."""

REGION = 400
GROWTH = 1.1
"""A unit may cost so much more in a country eight times as large."""

WORK = """
import re, sys
from pathlib import Path
from donvi.fleet.operator import Choices, Places, bundle, write
from donvi.fleet.select import Selection, choose
from donvi.registry import load_city
from donvi.tenancy import describe
city = load_city(Path(sys.argv[1]))
for code in city.units:
    describe(city, code)
places = Places(*sys.argv[3:6])
write(bundle(city, choose(city, Selection(everything=True)), places, Choices(image=sys.argv[6])), Path(sys.argv[2]))
# getrusage would also count what the parent took when it forked
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nationwide.write(tmp_path_factory.mktemp("nation") / "city")


@pytest.fixture(scope="module")
def country(folder: Path) -> City:
    return load_city(folder)


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A country of another size, else alike."""
    return nationwide.write(tmp_path_factory.mktemp("region") / "city", others=REGION)


def calls(work: Callable[[], object]) -> int:
    """Count the calls of Python functions that a piece of work makes."""
    profile = cProfile.Profile(builtins=False)
    profile.runcall(work)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def test_every_unit_of_the_country_has_numbers_and_the_city_keeps_its_own(country: City, city: City) -> None:
    assert len(country.units) == len(country.allotments) == nationwide.UNITS
    kept = {code: country.allotments[code] for code in city.allotments}
    assert kept == dict(city.allotments)
    slugs = [one.slug for one in country.allotments.values()]
    assert len(set(slugs)) == len(slugs)


def test_a_line_edited_in_the_middle_of_the_countrys_ledger_is_named(
    folder: Path, country: City, tmp_path: Path
) -> None:
    text = (folder / "ledger.csv").read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    lines[2000] = lines[2000].replace("allot", "allOt")
    (tmp_path / "ledger.csv").write_text("".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match="2001"):
        read_ledger(tmp_path / "ledger.csv", country.settings)


def test_every_unit_can_be_described_and_units_are_apart(country: City) -> None:
    prefixes = set()
    for code in country.units:
        unit = describe(country, code).unit
        prefixes |= {unit.ipv4, unit.ipv6}
    assert len(prefixes) == 2 * nationwide.UNITS


def test_shards_part_the_country_and_keep_their_units_when_it_grows(country: City, city: City) -> None:
    def part(of: City, number: int) -> set[str]:
        return {target.code for target in choose(of, Selection(shard=Shard(number, 4)))}

    parts = [part(country, number) for number in range(1, 5)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == nationwide.UNITS
    assert all(part(city, number) <= parts[number - 1] for number in range(1, 5))


def test_the_country_has_manifests_that_fit_and_names_that_differ(country: City) -> None:
    made = bundle(country, choose(country, Selection(everything=True)), PLACES, Choices(image=IMAGE))
    assert len(made.stacks) == nationwide.UNITS + 1
    assert len({one["metadata"]["name"] for one in made.stacks.values()}) == nationwide.UNITS + 1
    strict = schema(definition())
    for stack, manifest in list(made.stacks.items())[::100]:
        assert not faults(manifest, strict), stack


def test_memory_for_the_whole_country_is_bounded(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORK, folder, tmp_path / "out", PLACES.deployment, PLACES.ca, "", IMAGE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MEGABYTES
    assert sum(1 for _ in (tmp_path / "out/stacks").iterdir()) == nationwide.UNITS + 1


def test_reading_costs_no_more_per_unit_in_a_larger_country(folder: Path, region: Path) -> None:
    own, some, all_of_them = (calls(lambda path=path: load_city(path)) for path in (nationwide.CITY, region, folder))  # type: ignore[misc]
    added = nationwide.UNITS - len(load_city(nationwide.CITY).units)
    assert (all_of_them - own) / added <= GROWTH * (some - own) / REGION


def test_describing_one_unit_costs_the_same_in_a_larger_country(country: City, region: Path) -> None:
    code, smaller = "26506", load_city(region)
    describe(country, code)  # what a first time caches isn't counted
    small, large = (calls(lambda of=of: describe(of, code)) for of in (smaller, country))  # type: ignore[misc]
    assert large <= GROWTH * small
