"""What playbooks get for each machine: rendered texts and plain settings, from the frozen descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from donvi.tenancy.firewall import gateway_ruleset, router_base, router_fragment, router_fragment_removal
from donvi.tenancy.platform import NAME_SERVER

if TYPE_CHECKING:
    from donvi.tenancy.model import Platform, Segment, Tenancy

ROUTER = "core"
"""The machine that is the city's core router."""

TRANSIT, GUEST, OFFICE = "transit", "guest", "office"
ROLLBACK_SECONDS = 20
HOST_CERTIFICATE_HOURS = 30 * 24


class MachineConfiguration(Struct, frozen=True, kw_only=True):
    """One machine's part: what ``donvi:machine:Configuration`` declares."""

    id: str  # router | gateway | workstation
    machine: str
    playbook: str
    files: dict[str, str]
    settings: dict[str, Any]
    host_certificate_hours: int


def platform_router(platform: Platform) -> MachineConfiguration:
    """Return the core router's base; the units' fragments hang themselves into it."""
    return MachineConfiguration(
        id="router",
        machine=ROUTER,
        playbook="router",
        files={"nftables": router_base(platform)},
        settings={"rollback_seconds": ROLLBACK_SECONDS},
        host_certificate_hours=HOST_CERTIFICATE_HOURS,
    )


def unit_machines(tenancy: Tenancy) -> tuple[MachineConfiguration, ...]:
    """Return the unit's part of the router, its gateway and its workstations, in the order in which they are made."""
    made = {"gateway": _gateway, "workstation": _workstation}
    ordered = sorted(tenancy.endpoints, key=lambda endpoint: (list(made).index(endpoint.role), endpoint.id))
    return (_fragment(tenancy), *(made[endpoint.role](tenancy, endpoint.id) for endpoint in ordered))


def _fragment(tenancy: Tenancy) -> MachineConfiguration:
    return MachineConfiguration(
        id="router",
        machine=ROUTER,
        playbook="router",
        files={"nftables": router_fragment(tenancy), "removal": router_fragment_removal(tenancy)},
        settings={"rollback_seconds": ROLLBACK_SECONDS},
        host_certificate_hours=0,
    )


def _gateway(tenancy: Tenancy, machine: str) -> MachineConfiguration:
    served = [segment for segment in tenancy.segments if segment.kind not in {TRANSIT, GUEST}]
    clients = [network for segment in served for network in (segment.ipv4, segment.ipv6)]
    resolver = {
        "domain": _city_domain(tenancy),
        "servers": _name_servers(tenancy),
        "listen": [address for segment in served for address in (segment.gateway4, segment.gateway6)],
        "clients": clients,
    }
    return MachineConfiguration(
        id="gateway",
        machine=machine,
        playbook="gateway",
        files={"nftables": gateway_ruleset(tenancy)},
        settings={
            "rollback_seconds": ROLLBACK_SECONDS,
            "resolver": resolver,
            "time": {"servers": [], "clients": clients, "sets_clock": False},
        },
        host_certificate_hours=HOST_CERTIFICATE_HOURS,
    )


def _workstation(tenancy: Tenancy, machine: str) -> MachineConfiguration:
    office = _segment(tenancy, OFFICE)
    servers = [office.gateway4, office.gateway6]
    return MachineConfiguration(
        id="workstation",
        machine=machine,
        playbook="workstation",
        files={},
        settings={
            "resolver": {"domain": _city_domain(tenancy), "servers": servers},
            "time": {"servers": servers, "sets_clock": False},
        },
        host_certificate_hours=HOST_CERTIFICATE_HOURS,
    )


def _name_servers(tenancy: Tenancy) -> list[str]:
    """Return where the gateway may ask for names: what its own flows to the name server say."""
    host = f"{NAME_SERVER}.{_city_domain(tenancy)}"
    found = {address for flow in tenancy.flows if flow.host == host for address in (flow.ipv4, flow.ipv6)}
    return sorted(found)


def _segment(tenancy: Tenancy, kind: str) -> Segment:
    return next(segment for segment in tenancy.segments if segment.id == f"main/{kind}")


def _city_domain(tenancy: Tenancy) -> str:
    return tenancy.unit.domain.partition(".")[2]
