"""Numbers of sites and units: whatever is added, nobody else's change."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from netaddr import IPNetwork, IPSet

from donvi.registry import City, Site, Unit
from donvi.registry.allotment import plan
from donvi.registry.ledger import current, read_ledger
from donvi.tenancy import describe
from donvi.tenancy.firewall import gateway_ruleset, router_fragment

if TYPE_CHECKING:
    from donvi.tenancy.model import Segment

CODE = "26506"
MAIN = Site(unit=CODE, id="main", number=0, title="Trụ sở")
SITES = st.lists(st.integers(1, 9), unique=True).map(
    lambda numbers: [Site(unit=CODE, id=f"site-{n}", number=n, title=f"Cơ sở {n}") for n in numbers]
)
PURE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def with_sites(city: City, sites: list[Site]) -> City:
    return replace(city, sites={**city.sites, CODE: (MAIN, *sites)})


def segments(city: City, sites: list[Site]) -> dict[str, Segment]:
    return {segment.id: segment for segment in describe(with_sites(city, sites), CODE).segments}


@PURE
@given(SITES, st.data())
def test_adding_or_closing_a_site_renumbers_no_other(city: City, sites: list[Site], data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.sampled_from(sites), unique_by=lambda s: s.id)) if sites else []
    whole, part = segments(city, sites), segments(city, kept)
    assert {name: whole[name] for name in part} == part


@PURE
@given(SITES)
def test_a_units_segments_lie_apart_inside_its_prefixes(city: City, sites: list[Site]) -> None:
    tenancy = describe(with_sites(city, sites), CODE)
    for prefix, nets in (
        (tenancy.unit.ipv4, [IPNetwork(s.ipv4) for s in tenancy.segments]),
        (tenancy.unit.ipv6, [IPNetwork(s.ipv6) for s in tenancy.segments]),
    ):
        assert all(net in IPNetwork(prefix) for net in nets)
        assert IPSet(nets).size == sum(net.size for net in nets)
    assert len({s.vlan for s in tenancy.segments}) == len({s.interface for s in tenancy.segments}) == len(nets)
    assert all(len(s.interface) <= 15 for s in tenancy.segments)


def test_a_further_sites_machines_get_the_same_flows(city: City) -> None:
    more = with_sites(city, [Site(unit=CODE, id="cho-cu", number=3, title="Chợ cũ")])
    added = set(gateway_ruleset(describe(more, CODE)).split("\n")) - set(
        gateway_ruleset(describe(city, CODE)).split("\n")
    )
    assert '\t\t\t10.3.72.10-10.3.72.25 . 10.0.1.20 . tcp . 8441 comment "documents: workstation at cho-cu to' in {
        line.partition(" documents.tphcm")[0] for line in added
    }
    assert '\t\t\t"office3" comment "cho-cu/office" : goto from_office,' in added
    assert '\t\t\t"office3" . fd9b:7a3c:2900:3430::/64 comment "cho-cu/office",' in added


def test_a_site_of_one_unit_changes_no_other_units_rules(city: City) -> None:
    more = with_sites(city, [Site(unit=CODE, id="cho-cu", number=3, title="Chợ cũ")])
    for code in ("25747", "26740"):
        before, after = describe(city, code), describe(more, code)
        assert (gateway_ruleset(before), router_fragment(before)) == (gateway_ruleset(after), router_fragment(after))


@PURE
@given(st.lists(st.integers(10000, 99999).map(str), min_size=1, max_size=30, unique=True))
def test_adding_units_renumbers_nobody(city: City, codes: list[str]) -> None:
    lines = read_ledger(Path(city.path) / "ledger.csv", city.settings)
    new = {
        code: Unit(
            code=code, name=f"Xã Mới {code}", kind="xã", locality="Bình Dương", wave=3, population_class="small",
            predecessors=(),
        )
        for code in codes
        if code not in city.units
    }  # fmt: skip
    after = current([*lines, *plan(city.settings, {**city.units, **new}, lines, ())])
    assert {code: after[code] for code in city.allotments} == dict(city.allotments)
    prefixes = [IPNetwork(allotment.ipv4) for allotment in after.values()]
    assert len(prefixes) == len(set(prefixes)) == len(city.units) + len(new)
    assert not any(a in b for a, b in itertools.pairwise(sorted(prefixes)))
