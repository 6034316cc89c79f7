"""Previews of all units, as the driver gives them, made from their descriptions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from donvi.fleet.model import Change, Operation, PropertyChange, Result, Status
from donvi.tenancy import describe
from donvi.tenancy.machines import unit_machines
from donvi.tenancy.names import tsig_credential

if TYPE_CHECKING:
    from collections.abc import Callable

    from donvi.registry import City
    from donvi.tenancy import Tenancy


def urn(stack: str, kind: str, name: str) -> str:
    return f"urn:pulumi:{stack}::donvi::donvi:component:UnitTenancy${kind}::{name}"


def created(stack: str, kind: str, name: str, /, **inputs: Any) -> Change:
    properties = (PropertyChange(key, "add", None, text(value)) for key, value in sorted(inputs.items()))
    return Change("create", kind, urn(stack, kind, name), tuple(properties))


def updated(stack: str, kind: str, name: str, path: str, old: Any, new: Any) -> Change:  # noqa: PLR0917
    return Change("update", kind, urn(stack, kind, name), (PropertyChange(path, "update", text(old), text(new)),))


def deleted(stack: str, kind: str, name: str, /, **inputs: Any) -> Change:
    properties = (PropertyChange(key, "delete", text(value), None) for key, value in sorted(inputs.items()))
    return Change("delete", kind, urn(stack, kind, name), tuple(properties))


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def previewed(stack: str, *changes: Change, **more: Any) -> Result:
    counts: dict[str, int] = {"same": 90}
    for change in changes:
        counts[change.op] = counts.get(change.op, 0) + 1
    return Result(stack, Operation.PREVIEW, more.pop("status", Status.DONE), changes, counts, **more)


def fleet(city: City, changes: Callable[[Tenancy], list[Change]]) -> list[Result]:
    """The preview of every unit of the city."""
    tenancies = (describe(city, code) for code in city.units)
    return [previewed(tenancy.unit.stack, *changes(tenancy)) for tenancy in tenancies]


def three_changes(tenancy: Tenancy) -> list[Change]:
    """A new name, an alias and a line on the gateway, with the unit's names, addresses and numbers everywhere."""
    unit, stack = tenancy.unit, tenancy.unit.stack
    gateway = next(machine for machine in unit_machines(tenancy) if machine.playbook == "gateway")
    rules = gateway.files["nftables"]
    office = next(segment for segment in tenancy.segments if segment.id == "main/office")
    return [
        created(
            stack,
            "donvi:dns:RecordSet",
            f"kho.{unit.domain}/A",
            credential=tsig_credential(unit.code),
            key=f"dns/kho.{unit.domain}/A",
            name=f"kho.{unit.domain}",
            ttl=300,
            type="A",
            unit=unit.code,
            values=[office.gateway4],
        ),
        created(
            stack,
            "donvi:mail:Alias",
            f"vanphong@{unit.domain}",
            address=f"vanphong@{unit.domain}",
            dn=f"mail=vanphong@{unit.domain},ou=mail,ou={unit.code},ou=units,dc=tphcm,dc=test",
            target=f"vanthu@{unit.domain}",
            unit=unit.code,
        ),
        updated(
            stack,
            "donvi:machine:Configuration",
            gateway.machine,
            "files.nftables",
            rules,
            rules.replace("\tcounter forged", f"\t# {unit.name}: {office.ipv4} and {office.ipv6}\n\tcounter forged"),
        ),
    ]


def people_and_mail(tenancy: Tenancy) -> list[Change]:
    """The accounts of the unit's people, and who reads its mailboxes: everything that an opening gives people."""
    stack = tenancy.unit.stack
    people = [account for account in tenancy.accounts if account.kind == "person"]
    accounts = [
        created(
            stack,
            "donvi:directory:Account",
            one.id,
            commonName=one.common_name,
            dn=one.dn,
            givenName=one.given_name,
            mail=one.mail,
            surname=one.surname,
            title=one.post_title,
            uidNumber=one.uid_number,
        )
        for one in people
    ]
    boxes = [
        created(
            stack,
            "donvi:mail:Mailbox",
            box.address,
            displayName=box.display_name,
            ownerDn=box.owner_dn,
            readers=list(box.readers),
        )
        for box in tenancy.mailboxes
    ]
    groups = [
        created(stack, "donvi:directory:Group", one.id, dn=one.dn, members=list(one.members)) for one in tenancy.groups
    ]
    return [*accounts, *boxes, *groups]
