"""The machines' namespaces, their management links, the switches inside routers, the data links between machines.

Everything is set from the host, so that a machine boots with its network up. ``ensure`` may be run on any half-made or
running state: it adds what is missing. The management network carries the operator's ssh only: its ports are isolated
from each other, and no machine forwards to or from it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.tenancy.names import MANAGEMENT_INTERFACE as MANAGEMENT
from lab.shell import run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Interface, IPv6Interface

    from lab.settings import LabSettings
    from lab.topology import Link, Machine, Port, Route, Switch, Topology

NAMESPACES = Path("/run/netns")
BRIDGE_SETTINGS = Path("/proc/sys/net/bridge")


def namespace_path(settings: LabSettings, machine: str) -> Path:
    """Return the file by which a machine's namespace is joined."""
    return NAMESPACES / settings.label(machine)


def ensure(settings: LabSettings, topology: Topology) -> None:
    """Make the bridge, and every machine's namespace, switches, links, addresses and routes, as far as missing."""
    _ensure_bridge(settings)
    present = set(namespaces(settings.prefix))
    for machine in topology.machines:
        if settings.label(machine.name) not in present:
            run(["ip", "netns", "add", settings.label(machine.name)])
        _ensure_management(settings, machine)
    for machine in topology.machines:
        _ensure_switches(settings.label(machine.name), topology.switches_of(machine.name))
    inside = {machine.name: set(_links(settings.label(machine.name))) for machine in topology.machines}
    for link in topology.links:
        if link.left.name not in inside[link.left.machine] or link.right.name not in inside[link.right.machine]:
            _make_link(settings, link, inside)
    for machine in topology.machines:
        _configure(settings, topology, machine)


def hardware_address(machine: str, port: str) -> str:
    """Return the port's hardware address, always the same: neighbours remember the one of before a restart."""
    return "02:" + hashlib.sha256(f"{machine}/{port}".encode()).digest()[:5].hex(":")


def remove_namespace(label: str) -> None:
    """Remove a machine's namespace, and with it every link that ends there.

    The kernel dissolves a namespace some time after it was deleted; its links go first, so that no later step meets
    them.
    """
    if (NAMESPACES / label).exists():
        output = run(["ip", "-n", label, "-json", "link", "show", "type", "veth"], check=False)
        for link in json.loads(output or "[]"):
            run(["ip", "-n", label, "link", "delete", link["ifname"]], check=False)
        run(["ip", "netns", "delete", label])


def namespaces(prefix: str) -> list[str]:
    """Return the names of the lab's namespaces, whole or half-made."""
    return sorted(entry.name for entry in NAMESPACES.glob(f"{prefix}-*"))


def remove_links(prefix: str) -> None:
    """Remove the bridge and whatever else of the lab is a link of the host."""
    for name in host_links(prefix):
        run(["ip", "link", "delete", name], check=False)


def host_links(prefix: str) -> list[str]:
    """Return the lab's links on the host."""
    return sorted(name for name in _links() if name.startswith(f"{prefix}-"))


def _links(label: str = "") -> dict[str, str]:
    """Return the kind of each link in a namespace, or on the host: veth, bridge, or nothing."""
    output = run(["ip", *(["-n", label] if label else []), "-json", "-details", "link", "show"])
    return {link["ifname"]: link.get("linkinfo", {}).get("info_kind", "") for link in json.loads(output or "[]")}


def _batch(label: str, lines: Iterable[str]) -> None:
    """Run many ip commands in a namespace (or on the host) with one process."""
    run(["ip", *(["-n", label] if label else []), "-batch", "-"], stdin="\n".join(lines) + "\n")


def _ensure_bridge(settings: LabSettings) -> None:
    if settings.bridge not in _links():
        run(["ip", "link", "add", settings.bridge, "type", "bridge"])
    for family in ("ipv4/conf/{}/forwarding", "ipv4/conf/{}/send_redirects"):
        Path("/proc/sys/net", family.format(settings.bridge)).write_text("0")
    Path(f"/proc/sys/net/ipv6/conf/{settings.bridge}/disable_ipv6").write_text("1")
    _batch(
        "",
        [
            f"address replace {settings.host_address}/{settings.network.prefixlen} dev {settings.bridge}",
            f"link set {settings.bridge} up",
        ],
    )


def _ensure_management(settings: LabSettings, machine: Machine) -> None:
    link, label = settings.management_link(machine.name), settings.label(machine.name)
    if not Path("/sys/class/net", link).exists():
        peer = ["peer", "name", MANAGEMENT, "address", hardware_address(machine.name, MANAGEMENT), "netns", label]
        run(["ip", "link", "add", link, "type", "veth", *peer])
    isolate = f"link set {link} type bridge_slave isolated on"
    _batch("", [f"link set {link} master {settings.bridge}", isolate, f"link set {link} up"])


def _ensure_switches(label: str, switches: list[Switch]) -> None:
    """Make a router's switches; a plain link of that name, from before there was a switch, goes first."""
    present = _links(label)
    lines = [f"link delete {s.name}" for s in switches if present.get(s.name, "bridge") != "bridge"]
    for switch in switches:
        if present.get(switch.name) != "bridge":
            address = hardware_address(switch.machine, switch.name)
            lines.append(f"link add {switch.name} address {address} type bridge mcast_snooping 0")
    if lines:
        _batch(label, lines)


def _make_link(settings: LabSettings, link: Link, inside: dict[str, set[str]]) -> None:
    """Make a data link anew; an end that was left alone goes first."""
    for port in (link.left, link.right):
        if port.name in inside[port.machine]:
            run(["ip", "-n", settings.label(port.machine), "link", "delete", port.name])
            inside[port.machine].discard(port.name)
    left, right = link.left, link.right
    near, far = hardware_address(left.machine, left.name), hardware_address(right.machine, right.name)
    peer = ["peer", "name", right.name, "address", far, "netns", settings.label(right.machine)]
    run(["ip", "link", "add", left.name, "address", near, "netns", settings.label(left.machine), "type", "veth", *peer])


def _configure(settings: LabSettings, topology: Topology, machine: Machine) -> None:
    """Set a machine's addresses, routes, and whether it forwards."""
    label, ports = settings.label(machine.name), topology.ports(machine.name)
    switches = topology.switches_of(machine.name)
    management = settings.network[machine.number]
    lines = ["link set lo up", f"address replace {management}/{settings.network.prefixlen} dev {MANAGEMENT}"]
    lines.append(f"link set {MANAGEMENT} up")
    for switch in switches:
        lines += _up(switch.name, (switch.address4, switch.address6))
    for port in ports:
        lines += [f"link set {port.name} master {port.switch}"] if port.switch else []
        lines += _up(port.name, port.addresses)
    run(["ip", "netns", "exec", label, "sysctl", "-q", "-w", *_sysctls(ports, switches, forwards=machine.forwards)])
    _batch(label, lines)
    _batch(label, [_route(route) for route in topology.routes if route.machine == machine.name])
    _keep_management_apart(label, str(settings.network))


def _up(name: str, addresses: Iterable[IPv4Interface | IPv6Interface]) -> list[str]:
    """Return the commands that give a link its addresses and start it; duplicates can't be, so none are looked for."""
    lines = [f"address replace {a} dev {name}{' nodad' if a.version == 6 else ''}" for a in addresses]  # noqa: PLR2004
    return [*lines, f"link set {name} up"]


def _route(route: Route) -> str:
    where = "" if route.via is None else f" via {route.via}"
    return f"route replace {'' if where else 'unreachable '}{route.destination}{where}"


def _sysctls(ports: list[Port], switches: list[Switch], *, forwards: bool) -> list[str]:
    """Return a machine's kernel settings; writing ``all`` resets every port, so the management port comes last.

    What a switch passes between its own ports is no affair of its router's packet filter.
    """
    on = "1" if forwards else "0"
    names = [*(port.name for port in ports), *(switch.name for switch in switches)]
    settings = [f"net.ipv6.conf.{name}.accept_ra=0" for name in names]
    settings += [f"net.ipv6.conf.{port.name}.disable_ipv6=1" for port in ports if port.switch]
    if switches and BRIDGE_SETTINGS.is_dir():
        settings += [f"net.bridge.bridge-nf-call-{family}tables=0" for family in ("arp", "ip", "ip6")]
    settings += [f"net.ipv4.ip_forward={on}", f"net.ipv6.conf.all.forwarding={on}"]
    return [*settings, f"net.ipv4.conf.{MANAGEMENT}.forwarding=0", f"net.ipv6.conf.{MANAGEMENT}.disable_ipv6=1"]


def _keep_management_apart(label: str, network: str) -> None:
    """Let the machine itself use the management network, and nobody who is forwarded."""
    rules = json.loads(run(["ip", "-n", label, "-json", "rule", "show"]))
    if any(rule["priority"] == 101 for rule in rules):  # noqa: PLR2004
        return
    _batch(
        label,
        [f"rule add pref 100 to {network} iif lo lookup main", f"rule add pref 101 to {network} prohibit"],
    )
