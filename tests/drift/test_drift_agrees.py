"""``donvi drift`` says of every stack what ``pulumi refresh --preview-only`` says of it, whatever drifted."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from donvi.deployment import parse, text_from_environment
from donvi.fleet.drift.look import Looker
from donvi.fleet.drift.model import GONE, Outcome
from donvi.fleet.drift.state import State
from donvi.fleet.drift.verdict import RENEWAL
from donvi.fleet.model import Operation, Options, PropertyChange, Status
from donvi.fleet.plain import PlainRunner
from donvi.provider.adapter import INCOMPLETE
from donvi.provider.services import Services
from tests.drift.drift_seeds import EXEMPT, Damage, seed
from tests.support.lab import REPOSITORY, Stack

if TYPE_CHECKING:
    from donvi.fleet.drift.model import Report
    from donvi.fleet.drift.state import Stack as Declared
    from donvi.fleet.model import Change

PLATFORM = "platform"


@pytest.fixture(scope="module")
def environ(lab):
    return lab.environ()


@pytest.fixture(scope="module")
def names(lab, environ):
    """The platform, and a unit that has machines in this lab; the other fault tests' one if it has."""
    with_machines = [name.removeprefix("gw-") for name in lab.deployment["machines"] if name.startswith("gw-")]
    stacks = State(environ).stacks()
    code = "26740" if "26740" in with_machines else with_machines[0]
    return [PLATFORM, next(name for name in stacks if name.startswith(f"{code}-"))]


@pytest.fixture(scope="module")
def services(environ):
    made = Services(parse(text_from_environment(environ)), environ)
    yield made
    made.close()


def bring_back(lab, names) -> None:
    """Repair both stacks; the platform first, whose outputs the unit's stack records."""
    for name in names:
        done = Stack(lab, name).up("--refresh")
        assert done.code == 0, done.text[-3000:]


def declared(environ, names) -> list[Declared]:
    return [State(environ).read(name) for name in names]


def refreshed(environ, stack: str) -> dict[str, Change]:
    """What the engine's own refresh would record of a stack."""
    result = PlainRunner(environ).run(Operation.REFRESH, stack, Options(preview_only=True))
    assert result.status is Status.DONE, result.failure
    return {change.urn: change for change in result.changes}


def found(report: Report, stack: str) -> dict[str, Change]:
    return {one.change.urn: one.change for one in report.findings if one.stack == stack}


def agree(environ, report: Report, stack: str) -> dict[str, Change]:
    """Assert that both say the same of a stack, down to the values; return what they say."""
    ours, engines = found(report, stack), refreshed(environ, stack)
    assert ours.keys() == engines.keys(), f"only one of both sees it: {sorted(ours.keys() ^ engines.keys())}"
    for urn, change in ours.items():
        assert change.op == engines[urn].op, urn
        if change.op != GONE:
            assert told(change) == told(engines[urn]), urn
    return ours


def told(change: Change) -> list[PropertyChange]:
    """Return what differs; why something is due the engine says in a line beside the resource, not as a value."""
    return [
        PropertyChange(one.path, one.kind) if one.path in {RENEWAL, INCOMPLETE} else one for one in change.properties
    ]


def run(environ, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [str(REPOSITORY / ".venv/bin/donvi"), "drift", *arguments]
    return subprocess.run(line, env=environ, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_drift_of_every_type_is_what_a_refresh_of_each_stack_finds(lab, environ, names, services):
    bring_back(lab, names)
    stacks = declared(environ, names)
    before = Looker(environ).look(names)
    assert before.outcome is Outcome.NONE, [*before.findings, *before.unread]
    for name in names:
        agree(environ, before, name)
    try:
        damaged = seed(Damage(lab, services), stacks)
        types = {one.type for stack in stacks for one in stack.resources if one.read}
        assert damaged == types - EXEMPT.keys(), "every type has a damage of its own"
        after = Looker(environ).look(names)
        assert after.outcome is Outcome.DRIFT, after.unread
        seen = [change for name in names for change in agree(environ, after, name).values()]
        assert {change.kind for change in seen} >= damaged, "each damage is seen"
        preview = lab.environ("preview")
        onlooker = Looker(preview).look(names)
        for name in names:
            agree(preview, onlooker, name)
        done = run(environ, *(name.partition("-")[0] for name in names), "--detailed-exitcode", "--json")
        assert done.returncode == 3, done.stderr
        assert json.loads(done.stdout)["outcome"] == "drift"
    finally:
        bring_back(lab, names)
    again = Looker(environ).look(names)
    assert again.outcome is Outcome.NONE, [*again.findings, *again.unread]


def test_a_back_end_that_is_down_leaves_no_verdict(lab, environ, names):
    code = names[1].partition("-")[0]
    with lab.stopped("slapd", ports=(636,)):
        done = run(environ, code, "--no-machines", "--json")
    assert done.returncode == 5
    told = json.loads(done.stdout)
    assert told["outcome"] == "inconclusive"
    kinds = {one["kind"].split(":")[1] for one in told["report"]["unread"]}
    assert kinds == {"directory", "mail"}, "what needs no directory is judged all the same"
    assert run(environ, code, "--no-machines").returncode == 0
