"""In which order many units are changed, and what a gate decides. Data in, data out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from donvi.fleet.gates import Health, ask, judge
from donvi.fleet.records import State
from donvi.fleet.schedule import Stop
from donvi.fleet.select import PLATFORM, Selection, Target, choose
from donvi.fleet.waves import plan, spread

if TYPE_CHECKING:
    import threading

    from donvi.registry import City


@pytest.fixture(scope="session")
def everything(city: City) -> tuple[Target, ...]:
    return choose(city, Selection(everything=True))


def test_fifteen_pilots_go_first_and_then_waves_that_double(everything: tuple[Target, ...]) -> None:
    waves = plan(everything)
    assert [len(wave) for wave in waves] == [15, 30, 60, 63]
    assert {target.stack for target in everything if target.wave == 1} == set(waves[0])
    flat = [stack for wave in waves for stack in wave]
    assert len(flat) == len(set(flat)) == 168
    assert PLATFORM not in flat


def test_units_of_a_later_wave_of_the_data_never_go_before_an_earlier_one(everything: tuple[Target, ...]) -> None:
    number = {target.stack: target.wave for target in everything}
    order = [number[stack] for wave in plan(everything) for stack in wave]
    assert order == sorted(order)


def test_every_wave_holds_units_of_every_former_locality(everything: tuple[Target, ...]) -> None:
    locality = {target.stack: target.locality for target in everything}
    for wave in plan(everything)[:2]:
        assert {locality[stack] for stack in wave} == {"Bà Rịa–Vũng Tàu", "Bình Dương", "Thành phố Hồ Chí Minh"}
    pilots = [locality[stack] for stack in plan(everything)[0]]
    assert {name: pilots.count(name) for name in set(pilots)} == dict.fromkeys(set(pilots), 5)


def test_the_same_selection_gives_the_same_waves_and_a_part_keeps_the_rule(city: City) -> None:
    third = choose(city, Selection(waves=(3,)))
    assert plan(third) == plan(third)
    assert [len(wave) for wave in plan(third)] == [5, 10, 20, 18], "without pilots it begins with five"
    assert len(plan(choose(city, Selection(waves=(1,))))) == 1, "pilots alone are one wave: nothing lies between"
    assert plan(choose(city, Selection(units=("26506",)))) == (("26506-vung-tau",),)
    assert plan(choose(city, Selection(units=("platform",)))) == ()


def test_a_sample_has_units_of_all_localities_and_is_the_same_each_time(everything: tuple[Target, ...]) -> None:
    units = [target for target in everything if target.code]
    chosen = spread(units, 6)
    assert chosen == spread(units, 6)
    assert len(chosen) == 6
    assert len({target.locality for target in chosen}) == 3
    assert spread(units, 500) == tuple(units)


# gates

TWO = (Target("1-a", "1", "A", "X"), Target("2-b", "2", "B", "Y"))


@pytest.mark.parametrize(("most", "passed"), [(0, False), (1, True), (None, True)])
def test_more_units_that_are_not_open_than_the_budget_allows_halt_the_run(most: int | None, passed: object) -> None:
    found = {"1": Health(open=True), "2": Health(open=False, reason="mail: no answer")}
    judged = judge(1, TWO, found, most=most)
    assert judged.passed is passed
    assert [(one.code, one.reason) for one in judged.unhealthy] == [("2", "mail: no answer")]


def test_a_failed_stack_is_not_open_and_not_asked() -> None:
    asked: list[str] = []

    def probe(code: str, cancelled: threading.Event) -> Health:
        asked.append(code)
        return Health(open=not cancelled.is_set())

    states = {"1-a": State.DONE, "2-b": State.FAILED}
    told: list[str] = []
    judged = ask(
        1, TWO, states, probe, most=0, probes=15, parallel=2, stop=Stop(), tell=lambda code, _health: told.append(code)
    )
    assert judged is not None
    assert not judged.passed
    assert asked == told == ["1"]


def test_a_signal_while_probes_run_decides_nothing() -> None:
    stop = Stop()

    def probe(code: str, cancelled: threading.Event) -> Health:
        stop._signals = 1
        assert cancelled.wait(30), "probes that run are asked to end"
        return Health(open=False, reason=f"{code} was cancelled")

    states = {"1-a": State.DONE, "2-b": State.DONE}
    assert ask(1, TWO, states, probe, most=0, probes=1, parallel=1, stop=stop, tell=lambda *_: None) is None
