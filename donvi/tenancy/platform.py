"""What units share: the description that the ``platform`` stack declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.registry.addresses import address
from donvi.tenancy import names
from donvi.tenancy.certificates import MOUNTS
from donvi.tenancy.model import DnsRecord, PkiUrls, Platform, TransitKey

if TYPE_CHECKING:
    from donvi.registry import City, Zone

DIRECTORY = "directory"
MAIL = "mail"
NAME_SERVER = "ns1"
VAULT = "vault"

VAULT_PORT = 8200
TTL = 300


def platform_description(city: City) -> Platform:
    """City-level names, the intermediates' published addresses, and one transit key per unit that has a stack."""
    return Platform(
        domain=city.settings.domain,
        directory_base=city.settings.directory_base,
        dns=_dns(city),
        pki_urls=_pki_urls(city),
        policies=(),
        transit_keys=tuple(
            TransitKey(name=names.stack(city.allotments[code]), unit=code) for code in sorted(city.people)
        ),
    )


def server_names(city: City) -> dict[str, Zone]:
    """Host names directly below the city's domain, each with the zone whose machine answers; sorted."""
    zones = {zone.id: zone for zone in city.settings.zones}
    found = {name: zone for zone in zones.values() if zone.machine for name in zone.machine.names}
    found.update({system.id: zones[system.zone] for system in city.systems.values() if system.service})
    return dict(sorted(found.items()))


def machine_addresses(zone: Zone) -> tuple[str, str]:
    """IPv4 and IPv6 address of the machine that stands in a zone."""
    host = zone.machine.host if zone.machine else 0
    return address(zone.ipv4, host), address(zone.ipv6, host)


def _dns(city: City) -> tuple[DnsRecord, ...]:
    domain = city.settings.domain
    records = []
    for name, zone in server_names(city).items():
        if name != NAME_SERVER:  # the zone itself is made with its name server
            ipv4, ipv6 = machine_addresses(zone)
            records += [_record(f"{name}.{domain}", "A", ipv4), _record(f"{name}.{domain}", "AAAA", ipv6)]
    records += [
        _record(domain, "MX", f"10 {MAIL}.{domain}."),
        _record(domain, "TXT", '"v=spf1 mx -all"'),
        _record(f"_imaps._tcp.{domain}", "SRV", f"0 1 993 {MAIL}.{domain}."),
        _record(f"_submissions._tcp.{domain}", "SRV", f"0 1 465 {MAIL}.{domain}."),
    ]
    return tuple(sorted(records, key=lambda record: record.id))


def _record(name: str, kind: str, value: str) -> DnsRecord:
    return DnsRecord(id=f"{name}/{kind}", name=name, type=kind, ttl=TTL, values=(value,))


def _pki_urls(city: City) -> tuple[PkiUrls, ...]:
    base = f"https://{names.city_host(city, VAULT)}:{VAULT_PORT}/v1"
    return tuple(
        PkiUrls(mount=mount, issuing=(f"{base}/{mount}/ca",), crl=(f"{base}/{mount}/crl",))
        for mount in sorted({*MOUNTS.values(), "pki-web"})
    )
