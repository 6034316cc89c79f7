"""Proves the unit's network by packets: what must pass, what must not, and that forged sources are dropped.

A connection that didn't come about proves isolation only where the same target answered somebody else at the same
time, and where the asking machine got through to what it may reach. Firewalls of the city drop and never refuse, so a
refused connection was refused by the target itself: its packets got there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from donvi.tenancy.machines import ROUTER
from donvi.tenancy.servers import ZONE_PORT, servers, zone_services
from donvi.verify.ask import InconclusiveError, NotHereError
from donvi.verify.ask.batch import run_batch
from donvi.verify.ask.machines import connect
from donvi.verify.ask.places import flows_of, machine, machines, neighbours

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.registry import City
    from donvi.tenancy.model import Endpoint, Flow, Tenancy
    from donvi.tenancy.servers import Server
    from donvi.verify.ask.context import Context

FAMILIES = ("ipv4", "ipv6")
REACHED = ("open", "refused")
SSH = 22
NEIGHBOURS_TRIED = 2
CONNECT_SECONDS = 1.5  # a SYN and its first repetition
FORGED_PACKETS = 3
COUNTER_READS = 5
COUNTER = ("nft", "-j", "list", "counter", "inet", "donvi", "forged")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A TCP port that a machine of the unit may not reach."""

    id: str  # name of the machine, or host and port of a system
    ipv4: str
    ipv6: str
    port: int
    witness: str  # the machine that may reach it and says whether it is alive
    role: str = ""  # of a neighbour's machine; "" for the city's


class Forged(msgspec.Struct, frozen=True, kw_only=True):
    """What became of packets with another unit's source address, of one family."""

    sent: int
    dropped: int  # by how much the gateway's counter of forged sources grew
    source: str
    detail: str = ""  # why none could be sent


def city_targets(city: City, tenancy: Tenancy, asker: Endpoint) -> tuple[Target, ...]:
    """Return what of the city's machines ``asker`` may not reach, without what its flows allow.

    A service in every zone, SSH of the city's servers, and what only other machines of the unit may reach.
    """
    answering = zone_services(city)
    found = [_city_target(name, server, ZONE_PORT) for name, server in answering.items()]
    others = {server.machine: server for server in servers(city).values() if server.machine not in answering}
    found += [_city_target(name, server, SSH) for name, server in sorted(others.items())]
    found += [_city_target(f"{f.host}:{f.port}", f, f.port) for f in tenancy.flows if f.protocol == "tcp"]
    allowed = {(flow.ipv4, flow.port) for flow in tcp_flows(tenancy, asker)}
    closed = {target.id: target for target in found if (target.ipv4, target.port) not in allowed}
    return tuple(closed.values())


def neighbour_targets(context: Context) -> tuple[Target, ...]:
    """Return SSH of machines of other units in the deployment; each is its own witness, nobody else may reach it."""
    found = []
    for endpoint in machines(context.tenancy):
        names = list(neighbours(context.tenancy, endpoint, context.deployment.machines).values())
        for name in names[:NEIGHBOURS_TRIED]:
            place = context.deployment.machine(name)
            found.append(
                Target(id=name, ipv4=place.data4, ipv6=place.data6, port=SSH, witness=name, role=endpoint.role)
            )
    return tuple(found)


def forbidden_targets(context: Context, asker: Endpoint) -> tuple[Target, ...]:
    """Return everything that a machine of the unit may not reach and that is tried."""
    return (*city_targets(context.city, context.tenancy, asker), *neighbour_targets(context))


def tcp_flows(tenancy: Tenancy, endpoint: Endpoint) -> tuple[Flow, ...]:
    """Return the connections that a machine may open."""
    return tuple(flow for flow in flows_of(tenancy, endpoint) if flow.protocol == "tcp")


def link_questions(context: Context, endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    """Return the connections to try from a machine: all its flows, and what it may not reach."""
    asked: dict[str, dict[str, Any]] = {}
    for flow in tcp_flows(context.tenancy, endpoint):
        asked |= _links(flow.id, flow.ipv4, flow.ipv6, flow.port)
    for target in forbidden_targets(context, endpoint):
        asked |= _links(target.id, target.ipv4, target.ipv6, target.port)
    return asked


def mail_questions(tenancy: Tenancy, endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    """Return the ports of the mail system that a machine may open, each to be greeted by over TLS."""
    mail = [flow for flow in tcp_flows(tenancy, endpoint) if flow.system == "mail"]
    return {str(flow.port): {"kind": "greet", "host": flow.host, "port": flow.port} for flow in mail}


def connections(answers: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Read what became of connections: ``open``, ``refused``, or what kept them."""
    return {name: answer.get("state") or str(answer.get("detail")) for name, answer in answers.items()}


def ask_alive(context: Context) -> dict[str, str]:
    """Return what witnesses got from the targets of flows and from forbidden targets, as in :func:`connections`."""
    asked: dict[str, dict[str, Any]] = {}
    for endpoint in context.machines:
        for flow in tcp_flows(context.tenancy, endpoint):
            asked.setdefault(ROUTER, {}).update(_links(flow.id, flow.ipv4, flow.ipv6, flow.port))
        for target in forbidden_targets(context, endpoint):
            asked.setdefault(target.witness, {}).update(_links(target.id, target.ipv4, target.ipv6, target.port))
    with ThreadPoolExecutor(len(asked) or 1) as pool:
        seen = pool.map(lambda witness: _witnessed(context, witness, asked[witness]), asked)
    return {name: state for found in seen for name, state in found.items()}


def ask_forged(context: Context) -> dict[str, Forged] | None:
    """Send a few packets from the workstation with a neighbour's address; say what its gateway's counter made of it.

    :return: by family; ``None`` when the deployment has no other unit to take an address from.
    :raises InconclusiveError: a machine can't be reached, or the gateway counts no forged sources.
    :raises NotHereError: this lab doesn't have the workstation or the gateway.
    """
    asker, guard = machine(context.tenancy, "workstation"), machine(context.tenancy, "gateway")
    for needed in filter(None, (asker, guard)):
        if needed not in context.machines:
            raise NotHereError(needed.id)
    sources = [target for target in neighbour_targets(context) if target.role == "workstation"]
    if asker is None or guard is None or not sources:
        return None
    flow, source = tcp_flows(context.tenancy, asker)[0], sources[0]
    return {
        "ipv4": _forge(context, asker, guard, (source.ipv4, flow.ipv4, flow.port)),
        "ipv6": _forge(context, asker, guard, (source.ipv6, flow.ipv6, flow.port)),
    }


def _forge(context: Context, asker: Endpoint, guard: Endpoint, packet: tuple[str, str, int]) -> Forged:
    source, target, port = packet
    before = _counted(context, guard)
    question = {"kind": "forge", "source": source, "target": target, "port": port, "count": FORGED_PACKETS}
    answer = run_batch(connect(context, asker.id), {"forge": question})["forge"]
    sent, grown = int(answer.get("sent", 0)), 0
    for _ in range(COUNTER_READS):
        grown = _counted(context, guard) - before
        if grown >= sent:
            break
    if grown < 0:
        raise InconclusiveError(f"the rules of {guard.id} were loaded anew meanwhile, so its counters began again")
    return Forged(sent=sent, dropped=grown, source=source, detail=answer.get("detail", ""))


def _counted(context: Context, guard: Endpoint) -> int:
    done = connect(context, guard.id).run(" ".join(COUNTER))
    if done.rc != 0:
        raise InconclusiveError(f"{guard.id} counts no forged sources: {done.stderr.strip()}")
    found = msgspec.json.decode(done.stdout)["nftables"]
    return next(int(entry["counter"]["packets"]) for entry in found if "counter" in entry)


def _witnessed(context: Context, witness: str, asked: dict[str, dict[str, Any]]) -> dict[str, str]:
    try:
        return connections(run_batch(connect(context, witness), asked))
    except InconclusiveError as error:
        return dict.fromkeys(asked, f"nobody could look: {error}")


def _city_target(name: str, server: Server | Flow, port: int) -> Target:
    return Target(id=name, ipv4=server.ipv4, ipv6=server.ipv6, port=port, witness=ROUTER)


def _links(name: str, ipv4: str, ipv6: str, port: int) -> dict[str, dict[str, Any]]:
    pairs: Iterable[tuple[str, str]] = zip(FAMILIES, (ipv4, ipv6), strict=True)
    return {
        f"{name}/{family}": {"kind": "link", "address": address, "port": port, "seconds": CONNECT_SECONDS}
        for family, address in pairs
    }
