"""A flow that is taken from the catalogue ends its open connections on the real machines; others don't notice."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lab import access
from tests.support import ticking

SERVER = "zone-gov"
CLOSED, KEPT = 8500, 8501
PROGRAM = Path(ticking.__file__)
SECONDS = 20
ENOUGH = 10  # bytes that each side of a living connection hears, one a tick


class Ends:
    """One machine's ends of the connections."""

    def __init__(self, process):
        self.process = process

    def ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def heard(self):
        """Return how many bytes each connection has heard, by port/family."""
        return json.loads(self.ask("heard"))


@contextmanager
def ends(lab, machine, **what):
    command = ("python3", "-I", "-u", "-c", shlex.quote(PROGRAM.read_text(encoding="utf-8")))
    argv = access.ssh_command(lab.settings, machine, command)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        found = Ends(process)
        assert found.ask(json.dumps(what)) == "ready", f"no connections on {machine}"
        yield found
        process.stdin.close()


def test_a_flow_that_goes_cuts_its_connections_on_both_sides_and_no_others(lab, stack, code, flows):
    flows(CLOSED, KEPT)
    server = lab.deployment["machines"][SERVER]
    places = [(server[data], port) for data in ("data4", "data6") for port in (CLOSED, KEPT)]
    with ExitStack() as talks:
        theirs = talks.enter_context(ends(lab, SERVER, listen=[CLOSED, KEPT]))
        done = stack.up()
        assert done.code == 0, done.text
        ours = talks.enter_context(ends(lab, f"ws-{code}", connect=places))
        operators = [talks.enter_context(ends(lab, machine)) for machine in (f"gw-{code}", "core")]
        assert living(ours, theirs) == both_sides(CLOSED, KEPT)

        flows(KEPT)
        done = stack.up()
        assert done.code == 0, done.text
        assert living(ours, theirs) == both_sides(KEPT)
        assert [operator.heard() for operator in operators] == [{}, {}], "the operator's own connections go on"


def both_sides(*ports):
    return {(side, f"{port}/{family}") for side in (0, 1) for port in ports for family in "46"}


def living(*sides):
    """Return the sides and connections that still hear the other, after the liveliest heard three times enough."""
    before = [side.heard() for side in sides]
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        now = [side.heard() for side in sides]
        grown = {(n, name): heard - before[n].get(name, 0) for n in range(len(sides)) for name, heard in now[n].items()}
        if max(grown.values()) >= 3 * ENOUGH:
            return {key for key, more in grown.items() if more >= ENOUGH}
    pytest.fail(f"inconclusive: no connection lives at all: {now}")
