"""A gateway and the router, each with its rules among open machines: every edge of its rules is where it must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.isolation.bench import summary
from tests.isolation.oracle import CORE, Fate
from tests.isolation.suites import PILOTS, Suite

if TYPE_CHECKING:
    from tests.isolation.bench import Bench


@pytest.mark.parametrize("machine", [CORE, *PILOTS])
def test_a_machine_alone_does_what_the_law_says(bench: Bench, machine: str) -> None:
    suite = Suite(bench, machine)
    bench.guard(())
    lost = bench.check(suite.packets)
    assert not lost, f"inconclusive: {summary(lost)}"
    bench.guard({machine})
    assert {fate for fate, _ in suite.verdicts.values()} == set(Fate), (
        "the packets must meet every fate, or something isn't asked"
    )
    problems = list(suite.problems())
    assert not problems, summary(problems)
