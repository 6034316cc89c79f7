"""The rendered rules, reviewed line by line for one unit, and what a change of the catalogue changes in them."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from donvi.registry import load_city
from donvi.tenancy import describe, platform_description
from donvi.tenancy.firewall import gateway_ruleset, router_base, router_fragment
from donvi.tenancy.firewall.text import Element

if TYPE_CHECKING:
    from collections.abc import Callable

    from donvi.registry import City

FLOW = "  - {segment: office, endpoint: workstation, protocol: tcp, port: 8442}\n"
MORE = "  - {segment: office, endpoint: workstation, protocol: udp, port: 8500}\n"


def render(city: City, file: str) -> str:
    if file == "base":
        return router_base(platform_description(city))
    return {"gateway": gateway_ruleset, "fragment": router_fragment}[file](describe(city, "26506"))


@pytest.mark.parametrize("file", ["base", "fragment", "gateway"])
def test_the_rules_are_what_was_reviewed(city: City, file: str) -> None:
    """``DONVI_REWRITE_GOLDEN=1 pytest tests/unit/firewall`` rewrites the files; review the diff."""
    path = Path(__file__).with_name(f"{file}.golden.nft")
    text = render(city, file)
    if os.environ.get("DONVI_REWRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text.splitlines() == path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("file", ["fragment", "gateway"])
def test_a_new_flow_is_one_line_for_each_family(
    city: City, city_copy: Path, edit: Callable[[str, str, str], None], file: str
) -> None:
    edit("systems/tthc.yaml", FLOW, FLOW + MORE)
    before, after = (render(c, file).splitlines() for c in (city, load_city(city_copy)))
    changed = [line for line in difflib.unified_diff(before, after, n=0, lineterm="") if line[0] in "+-"][2:]
    why = 'comment "tthc: workstation at main to tthc.tphcm.test"'
    assert [line.strip("+\t ,") for line in changed] == [
        f"10.3.64.10-10.3.64.199 . 10.0.1.20 . udp . 8500 {why}",
        f"fd9b:7a3c:2900:3400::10-fd9b:7a3c:2900:3400::199 . fd9b:7a3c:2900:1::20 . udp . 8500 {why}",
    ]


def test_a_flow_of_another_unit_or_segment_changes_nothing_here(
    city: City, city_copy: Path, edit: Callable[[str, str, str], None]
) -> None:
    edit("systems/tthc.yaml", FLOW, FLOW + MORE)
    assert render(load_city(city_copy), "base") == render(city, "base")


def test_what_two_systems_both_need_is_allowed_once_for_both_reasons(
    city_copy: Path, edit: Callable[[str, str, str], None]
) -> None:
    same = "{segment: transit, endpoint: gateway, protocol: tcp, port: 53, host: ns1}"
    edit("systems/tthc.yaml", FLOW, f"{FLOW}  - {same}\n")
    lines = [line for line in render(load_city(city_copy), "gateway").splitlines() if ". tcp . 53 c" in line]
    assert [line.partition(" comment ")[2] for line in lines] == [
        '"network: gateway at main to ns1.tphcm.test; tthc: gateway at main to ns1.tphcm.test",'
    ] * 2


def test_a_comment_can_neither_end_its_quotes_nor_be_too_long_for_the_kernel() -> None:
    text = str(Element("10.0.0.1", 'đường "dài" ' * 30))
    comment = text.removeprefix('10.0.0.1 comment "').removesuffix('"')
    assert '"' not in comment
    assert len(comment.encode()) <= 127
