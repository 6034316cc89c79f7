"""What units share: the description that the ``platform`` stack declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.tenancy import names
from donvi.tenancy.certificates import MOUNTS
from donvi.tenancy.model import DnsRecord, PkiUrls, Platform, TransitKey, ZoneLink
from donvi.tenancy.network import zone_networks
from donvi.tenancy.servers import servers

if TYPE_CHECKING:
    from donvi.registry import City

DIRECTORY = "directory"
MAIL = "mail"
NAME_SERVER = "ns1"
VAULT = "vault"

VAULT_PORT = 8200
TTL = 300


def platform_description(city: City) -> Platform:
    """City-level names, the intermediates' published addresses, and one transit key per unit, each for its stack."""
    return Platform(
        domain=city.settings.domain,
        directory_base=city.settings.directory_base,
        zones=zone_networks(city),
        links=_links(city),
        dns=_dns(city),
        pki_urls=_pki_urls(city),
        policies=(),
        transit_keys=tuple(
            TransitKey(name=names.stack(city.allotments[code]), unit=code) for code in sorted(city.units)
        ),
    )


def _links(city: City) -> tuple[ZoneLink, ...]:
    found = servers(city)
    links = [
        ZoneLink(
            id=f"{link.zone}/{link.host}/{link.protocol}-{link.port}",
            zone=link.zone,
            host=names.city_host(city, link.host),
            protocol=link.protocol,
            port=link.port,
            ipv4=found[link.host].ipv4,
            ipv6=found[link.host].ipv6,
            reason=link.title,
        )
        for link in city.settings.links
    ]
    return tuple(sorted(links, key=lambda link: link.id))


def _dns(city: City) -> tuple[DnsRecord, ...]:
    domain = city.settings.domain
    records = []
    for name, server in servers(city).items():
        if name != NAME_SERVER:  # the zone itself is made with its name server
            records += [_record(f"{name}.{domain}", "A", server.ipv4), _record(f"{name}.{domain}", "AAAA", server.ipv6)]
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
