"""A connection ends with the flow that allowed it, in the very transaction, in both directions; others go on.

Nothing is forgotten between the rulesets: the machine still tracks every connection, and lets none of the closed ones
through. Each packet is first seen to arrive, so that a broken conversation isn't taken for a cut one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.isolation import packets, talks
from tests.isolation.oracle import CORE, FAMILIES, Port, Probe, World, number
from tests.isolation.probes import allowed
from tests.isolation.suites import PILOTS
from tests.isolation.wire import load, source_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.isolation.bench import Bench

UNIT, OTHER = PILOTS[:2]
LENGTH = len(packets.payload(0))


class Talk(NamedTuple):
    """An open conversation: what opened it, and where the server is plugged in."""

    call: Probe
    far: Port
    serial: int

    def key(self) -> str:
        """Return how a ruleset writes the flow, without its source."""
        return f" . {self.call.target} . {self.call.protocol} . {self.call.port}"

    def segment(self, bench: Bench, *, answer: bool, flags: int = packets.PUSH_ACK, step: int = 1) -> tuple[int, bytes]:
        """Return a packet of the conversation with a number of its own.

        :param step: how many packets each side has sent before, for the sequence numbers.
        """
        mark, near = bench.wire.number(), source_port(self.serial)
        way, ports = (self.call.source, self.call.target), (near, self.call.port)
        here, there = near + step * (LENGTH + 1), self.call.port + step * (LENGTH + 1)
        if answer:
            way, ports, here, there = way[::-1], ports[::-1], there, here
        if step == 0:
            there = near + 1 + LENGTH
        body = packets.transport(way, self.call.protocol, ports, flags, packets.payload(mark), place=(here, there))
        return mark, packets.packet(*way, *body)


def opened(bench: Bench, call: Probe) -> Talk:
    """Open a conversation and have it answered once."""
    far = bench.world.way(CORE, number(call.target))
    assert isinstance(far, Port)
    talk = Talk(call, far, bench.wire.number())
    bench.wire.put(call.at, call.family, bench.wire.build(call, talk.serial))
    assert any(seen.mark == talk.serial for _, seen in bench.wire.collect()), f"inconclusive: {call} doesn't arrive"
    mark, data = talk.segment(bench, answer=True, flags=packets.SYN_ACK, step=0)
    bench.wire.put(far, call.family, data)
    assert any(seen.mark == mark for _, seen in bench.wire.collect()), f"inconclusive: no answer to {call}"
    return talk


def goes_on(bench: Bench, talk: Talk) -> tuple[bool, bool]:
    """Say whether the next packets arrive: from the client, and from the server."""
    (asked, data), (told, answer) = (talk.segment(bench, answer=answer) for answer in (False, True))
    bench.wire.put(talk.call.at, talk.call.family, data)
    bench.wire.put(talk.far, talk.call.family, answer)
    came = {(port, seen.mark) for port, seen in bench.wire.collect()}
    return (talk.far, asked) in came, (talk.call.at, told) in came


def calls(world: World, code: str, family: int) -> Iterator[Probe]:
    """Yield one call of a unit to each server it may reach, over TCP and over UDP."""
    seen = set()
    for call in allowed(world, [code]):
        if call.family == family and call.target not in seen:
            seen.add(call.target)
            yield call
            yield call._replace(protocol="udp" if call.protocol == "tcp" else "tcp")


def with_udp(text: str) -> str:
    """Return a ruleset in which every flow over TCP is there over UDP too."""
    lines = []
    for line in text.splitlines():
        lines.append(line)
        if " . tcp . " in line and line.count(" . ") == 3:
            lines.append(line.replace(" . tcp . ", " . udp . "))
    return "\n".join(lines) + "\n"


def without(text: str, key: str) -> str:
    """Return a ruleset without a flow."""
    kept = [line for line in text.splitlines() if f"{key} " not in line]
    assert len(kept) < len(text.splitlines()), f"the ruleset has no flow{key}"
    return "\n".join(kept) + "\n"


@pytest.fixture
def guarded(bench: Bench, rules: Mapping[str, tuple[str, ...]], request: pytest.FixtureRequest) -> Iterator[str]:
    """Guard one machine; return the text that holds the unit's flows there."""
    machine: str = request.param
    bench.guard(())
    bench.guard({machine})
    assert list(talks.settle(bench, (UNIT, OTHER) if machine == CORE else (UNIT,))) == []
    texts = rules[machine]
    text = with_udp(next(text for text in texts if machine != CORE or f"fragment of unit {UNIT}" in text))
    load(machine, text)
    yield text
    bench.guard(())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("guarded", [UNIT, CORE], indirect=True)
def test_a_flow_that_goes_takes_its_connections_along_and_no_others(
    bench: Bench, guarded: str, request: pytest.FixtureRequest, family: int
) -> None:
    machine = request.node.callspec.params["guarded"]
    open_talks = [opened(bench, call) for call in calls(bench.world, UNIT, family)]
    assert {talk.call.protocol for talk in open_talks} == {"tcp", "udp"}
    assert {goes_on(bench, talk) for talk in open_talks} == {(True, True)}, "inconclusive"
    tcp, udp = (next(t for t in open_talks if t.call.protocol == protocol) for protocol in ("tcp", "udp"))
    for closed in (tcp, udp):
        load(machine, without(guarded, closed.key()))
        gone = {talk.key() for talk in open_talks if goes_on(bench, talk) != (True, True)}
        assert gone == {closed.key()}
        assert goes_on(bench, closed) == (False, False), "neither side hears the other"
        load(machine, guarded)
        assert goes_on(bench, closed) == (True, True), "rules that are taken back bring their connections back"


@pytest.mark.parametrize("guarded", [UNIT], indirect=True)
@pytest.mark.parametrize("loose", ["ct direction reply accept", "ct state established accept"])
def test_rules_that_let_answers_pass_without_their_flow_are_noticed(bench: Bench, guarded: str, loose: str) -> None:
    talk = opened(bench, next(calls(bench.world, UNIT, 4)))
    load(UNIT, without(guarded, talk.key()).replace("\t\tct state related accept", f"\t\t{loose}", 1))
    assert goes_on(bench, talk) != (False, False)
    load(UNIT, guarded)


@pytest.mark.parametrize("guarded", [CORE], indirect=True)
@pytest.mark.usefixtures("guarded")
def test_a_unit_that_goes_takes_its_connections_along(bench: Bench, removal: str) -> None:
    mine, theirs = (opened(bench, next(calls(bench.world, code, 4))) for code in (UNIT, OTHER))
    assert goes_on(bench, mine) == goes_on(bench, theirs) == (True, True)
    load(CORE, removal)
    assert goes_on(bench, mine) == (False, False)
    assert goes_on(bench, theirs) == (True, True)
