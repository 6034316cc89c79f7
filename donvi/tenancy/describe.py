"""From the city's data to one frozen description of a unit: pure, no input or output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.errors import UsageError
from donvi.tenancy import access, accounts, apps, certificates, mail, names, network
from donvi.tenancy.checks import checks
from donvi.tenancy.model import SystemAccess, Tenancy, UnitFacts

if TYPE_CHECKING:
    from donvi.registry import City, System


def describe(city: City, code: str) -> Tenancy:
    """Everything the unit has on every system of the catalogue.

    The same data gives the same description, byte for byte. A unit without a roster has no people, but all the rest.

    :raises UsageError: the city has no unit of that code.
    """
    if code not in city.units:
        raise UsageError(f"there is no unit {code!r} in {city.settings.name}", hint="`donvi units` lists the codes")
    facts = _facts(city, code)
    people = accounts.accounts(city, code)
    boxes = mail.mailboxes(city, code, people)
    segments = network.segments(city, facts)
    machines = network.endpoints(city, facts, segments)
    certs = certificates.certificates(city, facts, network.gateway(machines).id)
    machine_roles = certificates.pki_roles(certs)
    own_apps = apps.apps(city, facts)
    flows = network.flows(city, facts)
    return Tenancy(
        unit=facts,
        systems=tuple(_access(city, system) for system in city.systems.values()),
        organizational_units=accounts.organizational_units(city, code),
        accounts=people,
        groups=accounts.groups(city, code, people),
        mailboxes=boxes,
        aliases=mail.aliases(city, code, boxes),
        certificates=certs,
        pki_roles=(
            *access.pki_roles(city, facts),
            *certificates.pki_roles((*certs, *(app.certificate for app in own_apps))),
        ),
        policies=(*certificates.policies(facts, machine_roles), *access.policies(city, facts)),
        app_roles=certificates.app_roles(facts),
        login_groups=access.login_groups(city, facts),
        dns=network.dns(city, facts, machines, apps.dns(city, own_apps)),
        segments=segments,
        hosts=network.hosts(city, segments),
        zones=network.zone_networks(city),
        flows=flows,
        namespaces=apps.namespaces(city, facts, own_apps, flows),
        apps=own_apps,
        endpoints=machines,
        checks=checks(city),
    )


def _facts(city: City, code: str) -> UnitFacts:
    unit = city.units[code]
    numbers = city.allotments[code]
    return UnitFacts(
        code=unit.code,
        name=unit.name,
        slug=numbers.slug,
        kind=unit.kind,
        locality=unit.locality,
        wave=unit.wave,
        population_class=unit.population_class,
        synthetic=city.synthetic,
        stack=names.stack(numbers),
        domain=names.unit_domain(city, numbers),
        identification=numbers.identification,
        ipv4=numbers.ipv4,
        ipv6=numbers.ipv6,
        service_vlan=numbers.service_vlan,
        uid_first=numbers.uid_first,
        uid_last=numbers.uid_first + city.settings.pools.uid_per_unit - 1,
    )


def _access(city: City, system: System) -> SystemAccess:
    return SystemAccess(
        id=system.id,
        name=system.name,
        kind=system.kind,
        zone=system.zone,
        host=names.city_host(city, system.id) if system.service else "",
        port=system.service.port if system.service else 0,
        unit_bound=bool(system.service and system.service.unit_bound),
        roles=tuple(sorted(role.id for role in system.roles)),
    )
