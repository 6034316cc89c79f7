"""Where units' web sites are, and how they are opened from a lab's host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.tenancy import describe

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from donvi.deployment import Deployment
    from donvi.registry import City

HTTPS = 443


def url(host: str) -> str:
    """Return the address of a site."""
    return f"https://{host}/"


def lines(city: City, codes: Iterable[str], deployment: Deployment, root: Path) -> list[str]:
    """Return a line per web site of the units, then how to open the first of them; nothing without any.

    :param root: file of the city's root certificate on this host.
    """
    found = [(code, app.host) for code in codes for app in describe(city, code).apps]
    if not found:
        return []
    width = max(len(city.units[code].name) for code, _ in found)
    table = [f"  {code} {city.units[code].name:{width}}  {url(host)}" for code, host in found]
    code, host = found[0]
    return ["Web sites:", *table, *_from_host(city, host, deployment, root), *_from_workstation(code, host, deployment)]


def _from_host(city: City, host: str, deployment: Deployment, root: Path) -> list[str]:
    name = next((zone.cluster.name for zone in city.settings.zones if zone.cluster), "")
    if name not in deployment.machines:
        return []
    place = f"{host}:{HTTPS}:{deployment.machines[name].address}"
    return ["  open one from this host:", f"    curl --cacert {root} --resolve {place} {url(host)}"]


def _from_workstation(code: str, host: str, deployment: Deployment) -> list[str]:
    machine = f"ws-{code}"
    if machine not in deployment.machines:
        return []
    return ["  or as the unit's people do:", f"    uv run donvi lab ssh {machine} curl -sS {url(host)}"]
