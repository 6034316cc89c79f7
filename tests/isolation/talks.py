"""Conversations: what a connection brings with it, neighbours on a link, and what a machine says itself."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from tests.isolation import netns, packets
from tests.isolation.bench import told
from tests.isolation.network import HOST_SIDE
from tests.isolation.oracle import CORE, FAMILIES, TRANSIT, Fate, Port, Probe, host, number
from tests.isolation.probes import WORKSTATION, allowed, gateways_own
from tests.isolation.wire import source_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.isolation.bench import Bench
    from tests.isolation.oracle import World

IP_HDRINCL, IPV6_HDRINCL = 3, 36  # linux/in.h, linux/in6.h
ECHO_REPLY = 129
ADVERT, TIME_EXCEEDED, LINK_LOCAL = 136, {4: 11, 6: 3}, "fe80::77"
ANSWER_SECONDS = 0.5
TRIES, TRY_SECONDS = 4, 0.1


def answers(bench: Bench, code: str, hops: int) -> Iterator[str]:
    """Yield what is wrong with connections of a unit: answers and their errors come back, strangers' don't.

    :param hops: after how many the machine under proof is reached.
    """
    calls = [call for call in allowed(bench.world, [code]) if call.protocol == "tcp"]
    for call in {(call.at, call.family): call for call in calls}.values():
        family, far = call.family, bench.world.way(CORE, number(call.target))
        assert isinstance(far, Port)
        serial = bench.wire.number()
        original = bench.wire.build(call, serial)
        bench.wire.put(call.at, family, original)
        if not _comes(bench, lambda port, seen, serial=serial, far=far: seen.mark == serial and port == far):
            yield f"{code}: an allowed call over IPv{family} doesn't arrive"
        yield from _back(bench, call, far, serial, original)
        yield from _expired(bench, call, hops)


def _back(bench: Bench, call: Probe, far: Port, serial: int, original: bytes) -> Iterator[str]:
    family, way = call.family, (call.target, call.source)
    reply = bench.wire.number()
    ports = (call.port, source_port(serial))
    body = packets.transport(way, "tcp", ports, packets.SYN_ACK, packets.payload(reply))
    bench.wire.put(far, family, packets.packet(*way, *body))
    stranger = bench.wire.build(call, bench.wire.number())
    before = bench.wire.drops(sorted(bench.guarded))
    for quoted in (original, stranger):
        bench.wire.put(far, family, packets.packet(*way, *packets.too_big(family, *way, quoted)))
    came = [seen for port, seen in bench.wire.collect() if port == call.at]
    if not any(seen.mark == reply for seen in came):
        yield f"the answer to {call.source} over IPv{family} doesn't come back"
    errors = [seen for seen in came if seen.error]
    if [seen.mark for seen in errors] != [serial]:
        yield f"errors about {call.source}'s packets over IPv{family}: {errors}, must be one, about packet {serial}"
    if (bench.wire.drops(sorted(bench.guarded)) - before).total() != 1:
        yield f"an error about an unknown packet over IPv{family} isn't counted"


def links_answered(bench: Bench) -> Iterator[str]:
    """Yield the zones to which the answers of what they may open in another zone don't come back."""
    world = bench.world
    first = {zone: (target, port) for zone, target, protocol, port in reversed(world.links) if protocol == "tcp"}
    for zone, (target, port) in first.items():
        at = Port(CORE, f"{zone}0")
        for family in FAMILIES:
            call = Probe(at, family, world.zones[zone].server[family], target[family], "tcp", port)
            far = world.way(CORE, number(call.target))
            assert isinstance(far, Port)
            serial, reply = bench.wire.number(), bench.wire.number()
            bench.wire.put(at, family, bench.wire.build(call, serial))
            _comes(bench, lambda _, seen, serial=serial: seen.mark == serial)
            way, ports = (call.target, call.source), (port, source_port(serial))
            body = packets.transport(way, "tcp", ports, packets.SYN_ACK, packets.payload(reply))
            bench.wire.put(far, family, packets.packet(*way, *body))
            if not _comes(bench, lambda to, seen, at=at, reply=reply: (to, seen.mark) == (at, reply)):
                yield f"the answer to the zone {zone} over IPv{family} doesn't come back"


def _expired(bench: Bench, call: Probe, hops: int) -> Iterator[str]:
    serial = bench.wire.number()
    bench.wire.put(call.at, call.family, bench.wire.build(call, serial, hops))
    kind = TIME_EXCEEDED[call.family]
    if not _comes(bench, lambda port, seen: (port, seen.mark, seen.kind) == (call.at, serial, kind)):
        yield f"{call.source} isn't told that its packet lived too long over IPv{call.family}"


def _comes(bench: Bench, wanted: Callable[[Port, packets.Seen], bool], seconds: float = ANSWER_SECONDS) -> bool:
    """Say whether something wanted comes out in time."""
    return any(wanted(*arrival) for arrival in bench.wire.until(lambda arrival: wanted(*arrival), seconds))


def neighbours(bench: Bench, machine: str) -> Iterator[str]:
    """Yield the links on which a machine doesn't answer a neighbour solicitation, whoever asks properly."""
    for port, address in _legs(bench.world, machine):
        known = host(f"{address.rpartition('::')[0]}::/64", WORKSTATION)
        for source in (known, LINK_LOCAL, "::"):
            near = bench.network.mac(port, HOST_SIDE)
            code, body = packets.neighbour_question(source, address, near)
            data = packets.packet(source, packets.solicited(address), code, body, 255)
            bench.wire.put(port, 6, data)
            if not _comes(bench, lambda at, seen, port=port: (at, seen.kind) == (port, ADVERT)):
                yield f"{port}: {source} asks who is {address} and gets no answer"


def errors_heard(bench: Bench, machine: str) -> Iterator[str]:
    """Yield whether a machine doesn't take an error about what it answered, as path MTU discovery needs."""
    for port, address in list(_legs(bench.world, machine))[:1]:
        network = f"{address.rpartition('::')[0]}::/64"
        far, mark = host(network, WORKSTATION), bench.wire.number()
        bench.wire.put(port, 6, bench.wire.build(Probe(port, 6, far, address, "icmp"), mark))
        if not _comes(bench, lambda _, seen, mark=mark: seen.mark == mark):
            yield f"{machine} doesn't answer {far}"
        reply = bytearray(
            packets.transport((far, address), "icmp", (source_port(mark), 0), 0, packets.payload(mark))[1]
        )
        reply[0] = ECHO_REPLY
        answer = packets.packet(address, far, packets.ICMP6, bytes(reply))
        before = bench.wire.drops([machine])
        bench.wire.put(port, 6, packets.packet(far, address, *packets.too_big(6, far, address, answer)))
        bench.wire.collect()
        if dropped := bench.wire.drops([machine]) - before:
            yield f"{machine} drops an error about its own answer: {dict(dropped)}"


def _legs(world: World, machine: str) -> Iterator[tuple[Port, str]]:
    if machine == CORE:
        yield from ((Port(CORE, f"{zone.id}0"), zone.router[6]) for zone in world.zones.values())
    else:
        for segment in world.units[machine].segments.values():
            if segment.interface != TRANSIT:
                yield Port(machine, segment.interface), segment.gateway[6]


def own_calls(bench: Bench, code: str) -> Iterator[str]:
    """Yield what is wrong with packets that a gateway itself sends, past its own rules only."""
    world = bench.world
    asked = list(gateways_own(world, world.units[code]))
    asked += [call._replace(protocol="icmp", port=0) for call in {p.family: p for p in asked}.values()]
    before = bench.wire.drops([code])
    sent = {bench.wire.number(): probe for probe in asked}
    for family, kind in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        with netns.inside(code), socket.socket(kind, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.setsockopt(
                *((socket.IPPROTO_IP, IP_HDRINCL) if family == 4 else (socket.IPPROTO_IPV6, IPV6_HDRINCL)), 1
            )
            for serial, probe in sent.items():
                if probe.family == family:
                    # the kernel tells a sender that its packet was dropped on the way out
                    with contextlib.suppress(PermissionError):
                        raw.sendto(bench.wire.build(probe, serial), (probe.target, 0))
    came = {seen.mark for _, seen in bench.wire.collect() if not seen.error}
    passes = {serial for serial, probe in sent.items() if world.sent_by_gateway(code, probe) is Fate.PASSES}
    yield from (f"{code} itself sends {told(sent[serial])}: must pass, and is lost" for serial in passes - came)
    yield from (f"{code} itself sends {told(sent[serial])}: must not arrive" for serial in (came & set(sent)) - passes)
    denied = (bench.wire.drops([code]) - before)[code, "output_denied"]
    if denied != len(sent) - len(passes):
        yield f"{code} counts {denied} of its own packets as denied, must be {len(sent) - len(passes)}"


def own_answer(bench: Bench, machine: str) -> Iterator[str]:
    """Yield whether a machine doesn't hear the answer to what it asks the name server."""
    world = bench.world
    zone = world.zones["gov"].router
    for family, kind in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        server = world.servers["ns1"][family]
        here = zone[family] if machine == CORE else host(world.units[machine].segments[TRANSIT].prefix[family], 2)
        with netns.inside(machine):
            asker = socket.socket(kind, socket.SOCK_DGRAM)
        with asker:
            asker.bind((here, 0))
            asker.settimeout(ANSWER_SECONDS)
            asker.connect((server, 53))
            with contextlib.suppress(PermissionError):
                asker.send(b"?")
            port = asker.getsockname()[1]
            if not _comes(bench, lambda _, seen, port=port: seen.source_port == port):
                yield f"{machine} can't ask the name server over IPv{family}"
            body = packets.transport((server, here), "udp", (53, port), 0, b"answer")
            bench.wire.put(Port(CORE, "gov0"), family, packets.packet(server, here, *body))
            try:
                asker.recv(64)
            except OSError:
                yield f"{machine} doesn't hear the name server's answer over IPv{family}"
            question = packets.packet(here, server, *packets.transport((here, server), "udp", (port, 53), 0, b"?"))
            error = packets.unreachable(family, server, here, question)
            bench.wire.put(Port(CORE, "gov0"), family, packets.packet(server, here, *error))
            if not _refused(asker):
                yield f"{machine} isn't told that the name server's port is closed over IPv{family}"


def _refused(asker: socket.socket) -> bool:
    """Say whether a connected socket hears that nobody listens there."""
    try:
        asker.recv(64)
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        pass
    return False


def settle(bench: Bench, codes: Iterable[str]) -> Iterator[str]:
    """Yield the units of which an allowed call doesn't arrive in time, over either family.

    Afterwards the machines on the way know their neighbours, so that no later packet is lost for want of an address.
    """
    for code in codes:
        for family in FAMILIES:
            call = next(p for p in allowed(bench.world, [code]) if p.family == family)
            for _ in range(TRIES):
                serial = bench.wire.number()
                bench.wire.put(call.at, family, bench.wire.build(call, serial))
                if _comes(bench, lambda _, seen, serial=serial: seen.mark == serial and not seen.error, TRY_SECONDS):
                    break
            else:
                yield f"no allowed call of {code} arrives over IPv{family}"


def alone(machine: str) -> Iterator[str]:
    """Yield whether a machine can't talk to itself."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with netns.inside(machine):
            ear, mouth = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
        with ear, mouth:
            ear.bind((address, 0))
            ear.settimeout(ANSWER_SECONDS)
            try:
                mouth.sendto(b"!", ear.getsockname()[:2])
                ear.recv(64)
            except OSError:
                yield f"{machine} doesn't reach itself at {address}"
