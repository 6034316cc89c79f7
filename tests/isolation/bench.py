"""Loads rules on some machines, sends probes, and compares what happened with what the oracle says must happen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.isolation.oracle import CORE, OPERATOR, TRANSIT, Fate, Port, Probe, World, number
from tests.isolation.wire import Arrival, Wire, forget_connections, load, open_up, source_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.isolation.network import Network

MOST = 20
"""How many problems are told one by one."""


class Bench:
    """The network with its wire.

    :param rules: the texts to load on each machine.
    """

    def __init__(self, network: Network, wire: Wire, rules: Mapping[str, Sequence[str]]) -> None:
        self.network, self.wire, self.rules = network, wire, rules
        self.world: World = network.world
        self.guarded: set[str] = set()

    def guard(self, machines: Iterable[str]) -> None:
        """Let these machines have their rules, freshly loaded, and the others none."""
        wanted = set(machines)
        for machine in sorted(self.guarded - wanted):
            open_up(machine)
        for machine in sorted(wanted - self.guarded):
            load(machine, *self.rules[machine])
            forget_connections(machine)
        self.guarded = wanted

    def replace(self, machine: str, text: str) -> None:
        """Load another ruleset on a machine instead of its own.

        :raises RuntimeError: the kernel refuses it; the machine has no rules then.
        """
        open_up(machine)
        load(machine, text)
        self.guarded = {machine}

    def verdict(self, probe: Probe) -> tuple[Fate, Port]:
        """Return what must become of a probe with the rules that are loaded now."""
        return self.world.walk(probe, self.guarded.__contains__)

    def check(self, probes: Iterable[Probe], verdict: Callable[[Probe], tuple[Fate, Port]] | None = None) -> list[str]:
        """Send probes and return everything that isn't as it must be; nothing means that all is well.

        A packet that must pass has to come out where it belongs. One that mustn't has to be counted as dropped for the
        right reason at the right machine: only then it was there and was refused, and counts as isolated.

        :param verdict: what must become of a probe, when the caller knows it already.
        """
        machines, verdict = sorted(self.guarded), verdict or self.verdict
        before = self.wire.drops(machines)
        sent, arrived = self.wire.send(probes)
        dropped = self.wire.drops(machines) - before
        came, answered = self._sort(sent, arrived)
        problems: list[str] = []
        due: Counter[tuple[str, str]] = Counter()
        for serial, probe in sent.items():
            fate, where = verdict(probe)
            if fate not in {Fate.PASSES, Fate.ANSWERED}:
                due[where.machine, self._counter(fate, where, probe)] += 1
            expected = {where} if fate is Fate.PASSES else set()
            if came.get(serial, set()) != expected:
                problems.append(f"{told(probe)}: {fate.value} at {where}, came out at {came.get(serial) or 'no port'}")
            if (serial in answered) != (fate is Fate.ANSWERED):
                problems.append(
                    f"{told(probe)}: {fate.value} at {where}, {'' if serial in answered else 'not '}answered"
                )
        return problems + [
            f"{machine} counts {dropped[machine, name]} packets as {name}, must be {due[machine, name]}"
            for machine, name in sorted(due | dropped)
            if due[machine, name] != dropped[machine, name]
        ]

    def _counter(self, fate: Fate, where: Port, probe: Probe) -> str:
        """Return the counter in which a machine must count what it refuses: operators read the reason off its name."""
        if fate is not Fate.DENIED:
            return fate.value
        if number(probe.target) in self.world.own(where.machine):
            return "input_denied"
        if where.interface == OPERATOR:
            return "stray_denied" if where.machine == CORE else "inbound_denied"
        if where.machine == CORE and where.interface.startswith("u"):
            return f"unit_{where.interface[1:]}_denied"
        if where.interface == TRANSIT:
            return "inbound_denied"
        return f"from_{where.interface.rstrip('0123456789').replace('-', '_')}_denied"

    def _sort(self, sent: Mapping[int, Probe], arrived: Iterable[Arrival]) -> tuple[dict[int, set[Port]], set[int]]:
        """Return where each probe itself came out, and which were answered by their target."""
        calls = {
            (probe.family, probe.source, probe.target, source_port(serial)): serial
            for serial, probe in sent.items()
            if probe.protocol == "tcp"
        }
        came: dict[int, set[Port]] = {}
        answered: set[int] = set()
        for port, seen in arrived:
            probe = sent.get(seen.mark)
            if probe is None:
                serial = calls.get((seen.family, seen.target, seen.source, seen.target_port))
                if serial is not None and sent[serial].at == port:
                    answered.add(serial)
            elif (seen.source, seen.target) == (probe.source, probe.target) and not seen.error:
                came.setdefault(seen.mark, set()).add(port)
            elif port == probe.at and (seen.source, seen.target) == (probe.target, probe.source):
                answered.add(seen.mark)
        return came, answered


def told(probe: Probe) -> str:
    """Return a probe as a person reads it."""
    port = f":{probe.port}" if probe.port else ""
    return f"{probe.at.machine} {probe.at.interface}: {probe.protocol} {probe.source} → {probe.target}{port}"


def summary(problems: Sequence[str]) -> str:
    """Return the first problems, one a line, and how many there are."""
    return "\n".join([f"{len(problems)} problems", *problems[:MOST]])
