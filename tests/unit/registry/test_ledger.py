"""Numbers are given once: nobody is ever renumbered, whatever comes and goes, and an edit is found."""

from __future__ import annotations

import csv
import multiprocessing
import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from netaddr import IPNetwork

from donvi.errors import DataError, LockedError, UsageError
from donvi.registry import allotment, ledger
from donvi.registry.addresses import network, overlap
from donvi.registry.model import Settings, Unit

if TYPE_CHECKING:
    from donvi.registry import City

NAMES = ["Thanh An", "Thạnh An", "Bình Lợi", "Đông Hòa", "Mail", "Vũng Tàu", "Phú Mỹ"]


def unit(code: str, name: str) -> Unit:
    return Unit(
        code=code,
        name=f"Xã {name}",
        kind="xã",
        locality="Bình Dương",
        wave=1,
        population_class="small",
        predecessors=(),
    )


codes = st.integers(20000, 20040).map(str)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.dictionaries(codes, st.sampled_from(NAMES), min_size=1, max_size=5)),
        st.tuples(st.just("remove"), st.integers(0, 100)),
    ),
    max_size=8,
)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_adding_and_removing_units_renumbers_nobody(
    settings: Settings, tmp_path: Path, history: list[tuple[str, object]]
) -> None:
    path = tmp_path / "ledger.csv"
    path.unlink(missing_ok=True)
    units: dict[str, Unit] = {}
    lines: list[ledger.Line] = []
    given_before: dict[str, object] = {}
    for kind, argument in history:
        if kind == "add" and isinstance(argument, dict):
            units |= {code: unit(code, name) for code, name in argument.items() if code not in units}
            new = allotment.plan(settings, units, lines, {"mail"})
        elif units and isinstance(argument, int):
            code = sorted(units)[argument % len(units)]
            del units[code], given_before[code]
            new = allotment.plan_retirement(settings, lines, code)
        else:
            continue
        allotment.append_lines(path, settings, lines, new)
        lines = ledger.read_ledger(path, settings)
        numbers = ledger.current(lines)
        assert set(numbers) == set(units)
        assert {code: numbers[code] for code in given_before} == given_before
        given_before = dict(numbers)
        assert "mail" not in {found.slug for found in numbers.values()}


def test_the_same_units_get_the_same_numbers_in_whatever_order_they_stand(city: City) -> None:
    units = dict(list(city.units.items()))
    backwards = dict(reversed(units.items()))
    assert allotment.plan(city.settings, units, [], ()) == allotment.plan(city.settings, backwards, [], ())


def test_two_names_that_fold_to_the_same_letters_have_different_slugs(city: City) -> None:
    assert (city.allotments["25807"].slug, city.allotments["27676"].slug) == ("thanh-an", "thanh-an-27676")


def test_the_pilots_numbers_are_what_the_plan_of_addresses_says(city: City) -> None:
    numbers = city.allotments["26506"]
    assert (numbers.slug, numbers.ipv4, numbers.ipv6) == ("vung-tau", "10.3.64.0/20", "fd9b:7a3c:2900:3400::/56")
    first = city.allotments[next(iter(city.units))]
    assert (first.ipv4, first.ipv6) == ("10.1.0.0/20", "fd9b:7a3c:2900:1000::/56")


def test_no_two_units_share_an_address_vlan_or_uid(city: City) -> None:
    """An oracle of its own: integers of all ranges, sorted."""
    for field in ("ipv4", "ipv6"):
        ranges = sorted(
            (IPNetwork(getattr(n, field)).first, IPNetwork(getattr(n, field)).last) for n in city.allotments.values()
        )
        assert all(last < following for (_, last), (following, _) in pairwise(ranges))
    uids = sorted(numbers.uid_first for numbers in city.allotments.values())
    assert all(following - uid >= 1000 for uid, following in pairwise(uids))
    assert len({numbers.service_vlan for numbers in city.allotments.values()}) == 168


def test_the_pools_have_room_for_every_unit_of_the_country(city: City) -> None:
    units = {f"{code:05d}": unit(f"{code:05d}", "Phú Mỹ") for code in range(1, 3322)}
    lines = allotment.plan(city.settings, units, [], ())
    assert len(lines) == 3321
    assert len({line.allotment.slug for line in lines if line.allotment}) == 3321


def test_an_exhausted_pool_is_an_error_of_its_own(city: City) -> None:
    units = {f"{code:05d}": unit(f"{code:05d}", "Phú Mỹ") for code in range(1, 5000)}
    with pytest.raises(DataError, match="no numbers left for unit 03902"):
        allotment.plan(city.settings, units, [], ())


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


def _write_chained(path: Path, settings: Settings, rows: list[list[str]]) -> None:
    """Write rows with digests that fit, so that only the numbers can be wrong."""
    previous = ledger.genesis(settings.id)
    lines = [",".join(ledger.COLUMNS)]
    for seq, row in enumerate(rows, 1):
        fields = [str(seq), *row[1:-1]]
        previous = ledger.chain(previous, fields)
        lines.append(",".join([*fields, previous]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("ipv4", "10.3.64.0/20", "was given to unit 26506"),
        ("ipv4", "10.3.65.0/20", "did you mean 10.3.64.0/20"),
        ("ipv4", "10.3.64.0/21", "isn't a /20"),
        ("ipv4", "11.0.0.0/20", "lies outside"),
        ("ipv4", "10.0.16.0/20", "reserved for the city"),
        ("ipv4", "10.3.64.0/0.0.15.255", "isn't a prefix"),
        ("ipv6", "fd9b:7a3c:2900:100::/56", "reserved for the city"),
        ("ipv6", "fd9b:7a3c:2900:3400::/56", "was given to unit 26506"),
        ("ipv6", "FD9B:7A3C:2900:F400::/56", "did you mean fd9b:7a3c:2900:f400::/56"),
        ("service_vlan", "136", "was given to unit 26506"),
        ("service_vlan", "4095", "from 100 to 4000"),
        ("uid_first", "2036000", "was given to unit 26506"),
        ("uid_first", "2036500", "isn't the first of a range"),
        ("identification", "H29.1037", "was given to unit 26506"),
        ("identification", "H30.1", "isn't H29.<number>"),
        ("slug", "vung-tau", "was given to unit 26506"),
        ("slug", "Vung_Tau;rm", "isn't a slug"),
        ("code", "26506", "has numbers already"),
        ("event", "allott", "events are allot and retire"),
    ],
)
def test_wrong_numbers_are_refused_even_when_the_digests_fit(
    city_copy: Path, city: City, column: str, value: str, says: str
) -> None:
    path = city_copy / "ledger.csv"
    rows = _rows(path)[1:]
    rows[-1][ledger.COLUMNS.index(column)] = value
    _write_chained(path, city.settings, rows)
    with pytest.raises(DataError, match=rf"ledger\.csv:169:{column}: ") as caught:
        ledger.read_ledger(path, city.settings)
    assert says in str(caught.value)


def test_any_changed_character_of_the_ledger_is_found_and_its_row_named(city_copy: Path, city: City) -> None:
    path = city_copy / "ledger.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    for row in (2, 40, 169):
        spoiled = lines.copy()
        spoiled[row - 1] = spoiled[row - 1].replace("H29.1", "H29.9")
        path.write_text("\n".join(spoiled), encoding="utf-8")
        with pytest.raises(DataError, match=rf"ledger\.csv:{row}:digest: the line of unit \d+ was edited"):
            ledger.read_ledger(path, city.settings)


def test_a_removed_or_swapped_line_is_found(city_copy: Path, city: City) -> None:
    path = city_copy / "ledger.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    for spoiled in (lines[:50] + lines[51:], [*lines[:50], lines[51], lines[50], *lines[52:]]):
        path.write_text("\n".join(spoiled), encoding="utf-8")
        with pytest.raises(DataError, match=r"ledger\.csv:51:digest"):
            ledger.read_ledger(path, city.settings)


def test_a_retired_units_numbers_stay_quarantined(city_copy: Path, city: City) -> None:
    path = city_copy / "ledger.csv"
    before = ledger.read_ledger(path, city.settings)
    allotment.append_lines(path, city.settings, before, allotment.plan_retirement(city.settings, before, "26506"))
    retired = ledger.read_ledger(path, city.settings)
    again = allotment.plan(city.settings, dict(city.units), retired, ())
    (line,) = again
    assert line.allotment is not None
    assert line.code == "26506"
    old = city.allotments["26506"]
    assert line.allotment.ipv4 != old.ipv4
    assert line.allotment.uid_first != old.uid_first
    assert line.allotment.slug == "vung-tau-26506"


def test_a_unit_without_numbers_cannot_be_retired(city: City) -> None:
    with pytest.raises(UsageError, match="99999"):
        allotment.plan_retirement(city.settings, [], "99999")


def test_a_plan_made_from_an_older_ledger_is_refused(city_copy: Path, city: City) -> None:
    path = city_copy / "ledger.csv"
    lines = ledger.read_ledger(path, city.settings)
    new = allotment.plan_retirement(city.settings, lines, "26506")
    allotment.append_lines(path, city.settings, lines, new)
    text = path.read_bytes()
    with pytest.raises(LockedError, match="changed while the plan was made"):
        allotment.append_lines(path, city.settings, lines, new)
    assert path.read_bytes() == text


def _append(path: str, settings: Settings, lines: list[ledger.Line], new: list[ledger.Line]) -> None:
    try:
        allotment.append_lines(Path(path), settings, lines, new)
    except LockedError:
        os._exit(7)


def test_of_several_writers_at_once_exactly_one_writes(city_copy: Path, city: City) -> None:
    path = city_copy / "ledger.csv"
    lines = ledger.read_ledger(path, city.settings)
    new = allotment.plan_retirement(city.settings, lines, "26506")
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append, args=(str(path), city.settings, lines, new)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(writer.exitcode or 0 for writer in writers) == [0, 7, 7, 7]
    assert len(ledger.read_ledger(path, city.settings)) == len(lines) + 1


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(20, 24)), max_size=12))
def test_the_sweep_finds_an_overlap_exactly_when_two_prefixes_share_an_address(parts: list[tuple[int, int]]) -> None:
    prefixes = [(str(n), str(IPNetwork(f"10.0.{third}.0/{bits}").cidr)) for n, (third, bits) in enumerate(parts)]
    networks = [IPNetwork(prefix) for _, prefix in prefixes]
    shared = any(a.first <= b.last and b.first <= a.last for n, a in enumerate(networks) for b in networks[n + 1 :])
    assert (overlap(prefixes) is not None) == shared


@pytest.mark.parametrize("text", ["10.0.0.5/24", "10.0.0.0", "10.0.0.0/255.0.0.0", "x/24", "10.0.0.0/33", "::/24", ""])
def test_what_netaddr_would_swallow_is_no_prefix_here(text: str) -> None:
    with pytest.raises(ValueError, match=r"isn't|host bits"):
        network(text, 4)
