"""The kernel takes what is rendered, for every unit; fragments come and go without anybody else noticing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from donvi.tenancy import Tenancy, describe, platform_description
from donvi.tenancy.firewall import gateway_ruleset, router_base, router_fragment, router_fragment_removal
from tests.unit.firewall.scratch import in_scratch

if TYPE_CHECKING:
    from pathlib import Path

    from donvi.registry import City

LIST = "nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'"


@pytest.fixture(scope="module")
def every(city: City) -> list[Tenancy]:
    return [describe(city, code) for code in city.units]


@pytest.fixture(scope="module")
def folder(city: City, every: list[Tenancy], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files as a machine would get them."""
    path = tmp_path_factory.mktemp("rules")
    (path / "base").write_text(router_base(platform_description(city)), encoding="utf-8")
    for tenancy in every:
        code = tenancy.unit.code
        (path / f"gateway-{code}").write_text(gateway_ruleset(tenancy), encoding="utf-8")
        (path / f"fragment-{code}").write_text(router_fragment(tenancy), encoding="utf-8")
        (path / f"removal-{code}").write_text(router_fragment_removal(tenancy), encoding="utf-8")
    return path


def test_every_gateways_ruleset_passes_the_kernels_check(folder: Path) -> None:
    done = in_scratch('for file in "$1"/gateway-*; do nft -c -f "$file" || echo "$file"; done', str(folder))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_all_fragments_load_beside_each_other_and_twice_changes_nothing(folder: Path, every: list[Tenancy]) -> None:
    load = 'for file in "$1"/fragment-*; do nft -f "$file"; done;'
    script = f'nft -f "$1/base"; {load} {LIST} >"$1/once"; {load} {LIST} >"$1/twice"'
    done = in_scratch(script, str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    once = (folder / "once").read_text(encoding="utf-8")
    assert once == (folder / "twice").read_text(encoding="utf-8")
    assert once.count("chain unit_") == len(every)


def test_a_gateways_ruleset_replaces_the_one_before(folder: Path) -> None:
    script = f'nft -f "$1/gateway-25747"; nft -f "$1/gateway-26506"; {LIST} >"$1/a"; nft flush ruleset; '
    done = in_scratch(script + f'nft -f "$1/gateway-26506"; {LIST} >"$1/b"; cmp "$1/a" "$1/b"', str(folder))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_fragment_without_a_base_is_refused_as_a_whole(folder: Path) -> None:
    done = in_scratch('nft -f "$1/fragment-26506" || nft list ruleset', str(folder))
    assert done.stdout == ""
    assert "No such file or directory" in done.stderr


@pytest.mark.parametrize("again", ["", 'nft -f "$1/removal-26506";'])
def test_a_removed_fragment_leaves_its_neighbours_and_nothing_of_itself(folder: Path, again: str) -> None:
    script = (
        'nft -f "$1/base"; nft -f "$1/fragment-25747"; '
        f'{LIST} >"$1/before"; nft -f "$1/fragment-26506"; nft -f "$1/removal-26506"; {again} {LIST} >"$1/after"'
    )
    done = in_scratch(script, str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "before").read_text() == (folder / "after").read_text()


def test_a_new_base_leaves_the_fragments_hanging(folder: Path) -> None:
    script = (
        f'nft -f "$1/base"; nft -f "$1/fragment-26506"; {LIST} | sort >"$1/x"; nft -f "$1/base"; {LIST} | sort >"$1/y"'
    )
    done = in_scratch(script, str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "x").read_text() == (folder / "y").read_text()
