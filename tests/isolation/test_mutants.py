"""The proof is proven: every small mistake in a ruleset is noticed, so that green means something.

A mutant is *caught* when a single packet or counter isn't as the oracle says. A mutant that the kernel refuses to load
can't do harm. Before, after and in between the right ruleset passes: what was caught was the mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.isolation.mutants import mutants
from tests.isolation.oracle import CORE
from tests.isolation.suites import PILOTS, Suite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.isolation.bench import Bench

GATEWAY = PILOTS[0]
CONTROL = 40
"""After so many mutants the right ruleset is tried again: an alarm must mean a mistake."""


@pytest.mark.parametrize("machine", [GATEWAY, CORE])
def test_every_mutant_is_caught(bench: Bench, rules: Mapping[str, tuple[str, ...]], machine: str) -> None:
    bench.guard(())
    suite = Suite(bench, machine)
    text, rest = (rules[machine][0], "") if machine != CORE else _router(rules)
    bench.replace(machine, text + rest)
    assert list(suite.problems()) == []

    caught, refused, survivors = 0, 0, []
    for index, mutant in enumerate(mutants(text)):
        if index % CONTROL == 0:
            bench.replace(machine, text + rest)
            assert list(suite.problems()) == [], "the right ruleset must pass between mutants too"
        try:
            bench.replace(machine, mutant.text + rest)
        except RuntimeError:
            refused += 1
            continue
        if next(suite.problems(), None):
            caught += 1
        else:
            survivors.append(mutant.name)
    print(f"{machine}: {caught} mutants caught, {refused} refused by the kernel, {len(survivors)} survived")

    bench.replace(machine, text + rest)
    assert list(suite.problems()) == []
    assert not survivors, "\n".join([f"{len(survivors)} mutants were not noticed", *survivors])
    assert caught > 100, "too few mutants to mean anything"


def _router(rules: Mapping[str, tuple[str, ...]]) -> tuple[str, str]:
    """Return the base with one unit's fragment, to make mistakes in, and another unit's, to stay as it is."""
    base, *fragments = rules[CORE]
    first, second = (next(t for t in fragments if f"fragment of unit {code}" in t) for code in PILOTS[:2])
    return base + first, second
