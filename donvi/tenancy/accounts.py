"""Who has an account, and what it may do: people by post, probes by role, groups by both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.registry.people import HIGHEST_NUMBER
from donvi.registry.text import name_words
from donvi.tenancy import names
from donvi.tenancy.model import Account, Grant, Group, OrganizationalUnit

if TYPE_CHECKING:
    from donvi.registry import City, Person, Role, System

PROBE_REASON = "thăm dò: tài khoản kiểm tra tự động"

_CONTAINERS = (
    ("groups", "Nhóm quyền theo hệ thống"),
    ("mail", "Hộp thư và địa chỉ"),
    ("people", "Cán bộ, công chức"),
    ("probes", "Tài khoản kiểm tra tự động"),
)


def organizational_units(city: City, code: str) -> tuple[OrganizationalUnit, ...]:
    """Return the unit's subtree, parents first."""
    base = names.unit_dn(city, code)
    top = OrganizationalUnit(id="unit", dn=base, description=city.units[code].name)
    below = [OrganizationalUnit(id=name, dn=f"ou={name},{base}", description=text) for name, text in _CONTAINERS]
    return (top, *below)


def accounts(city: City, code: str) -> tuple[Account, ...]:
    """People who work in the unit, and its probes; sorted by id. Somebody who left (active: no) has none."""
    people = [_person(city, code, person) for person in city.people.get(code, ()) if person.active]
    probes = [
        _probe(city, code, system, role)
        for system in city.systems.values()
        if system.service or system.apps
        for role in system.roles
    ]
    return tuple(sorted([*people, *probes], key=lambda account: account.id))


def groups(city: City, code: str, members: tuple[Account, ...]) -> tuple[Group, ...]:
    """Return a group for every role of every system, also for the roles that nobody has; sorted by id."""
    found = []
    for system in city.systems.values():
        for role in system.roles:
            held = [account.dn for account in members if (system.id, role.id) in _held(account)]
            found.append(
                Group(
                    id=f"{system.id}-{role.id}",
                    dn=names.group_dn(city, code, system.id, role.id),
                    title=f"{system.name}: {role.title}",
                    members=tuple(sorted(held)),
                )
            )
    return tuple(sorted(found, key=lambda group: group.id))


def mailbox_quota(city: City, account: Account) -> int:
    """Return the largest mailbox quota, in MB, that the account's roles bring; 0 without a mailbox."""
    return max((role.mailbox_quota_mb or 0 for role in _roles(city, account)), default=0)


def _roles(city: City, account: Account) -> list[Role]:
    held = _held(account)
    return [role for system in city.systems.values() for role in system.roles if (system.id, role.id) in held]


def _held(account: Account) -> set[tuple[str, str]]:
    return {(grant.system, grant.role) for grant in account.grants}


def _address(city: City, code: str, local: str, grants: tuple[Grant, ...]) -> str:
    """Return the account's own address; "" when none of its roles brings a mailbox."""
    held = {(grant.system, grant.role) for grant in grants}
    for system in city.systems.values():
        if any(role.mailbox_quota_mb and (system.id, role.id) in held for role in system.roles):
            return f"{local}@{names.unit_domain(city, city.allotments[code])}"
    return ""


def _person(city: City, code: str, person: Person) -> Account:
    post = city.posts[person.post]
    grants = tuple(
        Grant(system=system.id, role=role.id, reason=f"chức vụ: {post.title}")
        for system in city.systems.values()
        for role in sorted(system.roles, key=lambda role: role.id)
        if person.post in role.posts
    )
    words = name_words(person.name)
    return Account(
        id=person.employee_id,
        kind="person",
        dn=names.account_dn(city, code, "person", person.employee_id),
        common_name=person.name,
        given_name=words[-1],
        surname=words[0],
        post=post.id,
        post_title=post.title,
        mail=_address(city, code, person.login, grants),
        uid_number=city.allotments[code].uid_first + person.number,
        credential=names.person_credential(person.employee_id),
        grants=grants,
    )


def _probe(city: City, code: str, system: System, role: Role) -> Account:
    identifier = names.probe_id(code, system.id, role.id)
    grants = (Grant(system=system.id, role=role.id, reason=PROBE_REASON),)
    return Account(
        id=identifier,
        kind="probe",
        dn=names.account_dn(city, code, "probe", identifier),
        common_name=f"Thăm dò {system.name}: {role.title}",
        given_name=f"{system.id} {role.id}",
        surname="Thăm dò",
        post="",
        post_title="",
        mail=_address(city, code, f"probe-{system.id}-{role.id}", grants),
        uid_number=city.allotments[code].uid_first + HIGHEST_NUMBER + 1 + (role.probe or 0),
        credential=names.probe_credential(code, identifier),
        grants=grants,
    )
