"""Mailboxes and the addresses that lead to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.tenancy import names
from donvi.tenancy.accounts import PROBE_REASON, mailbox_quota
from donvi.tenancy.model import Account, MailAlias, Mailbox

if TYPE_CHECKING:
    from donvi.registry import City

PROBE_QUOTA_MB = 16


def mailboxes(city: City, code: str, accounts: tuple[Account, ...]) -> tuple[Mailbox, ...]:
    """Personal mailboxes, the probe's, and the functional ones; sorted by address."""
    own = [_own(city, code, account) for account in accounts if account.mail]
    return tuple(sorted([*own, *_functional(city, code, accounts)], key=lambda mailbox: mailbox.address))


def aliases(city: City, code: str, boxes: tuple[Mailbox, ...]) -> tuple[MailAlias, ...]:
    """Addresses that deliver to a functional mailbox, and one to each probe's, so that aliases can be proven."""
    domain = names.unit_domain(city, city.allotments[code])
    rules = [
        (f"{rule.local}@{domain}", f"{rule.target}@{domain}", rule.reason)
        for system in city.systems.values()
        for rule in system.aliases
    ]
    probes = [(f"alias-{box.address}", box.address, PROBE_REASON) for box in boxes if box.kind == "probe"]
    found = [
        MailAlias(address=address, dn=names.mail_dn(city, code, address), target=target, reason=reason)
        for address, target, reason in [*rules, *probes]
    ]
    return tuple(sorted(found, key=lambda alias: alias.address))


def _own(city: City, code: str, account: Account) -> Mailbox:
    person = account.kind == "person"
    return Mailbox(
        address=account.mail,
        kind="personal" if person else "probe",
        dn=names.mail_dn(city, code, account.mail),
        display_name=account.common_name,
        owner_dn=account.dn,
        readers=(),
        quota_mb=mailbox_quota(city, account) if person else PROBE_QUOTA_MB,
    )


def _functional(city: City, code: str, accounts: tuple[Account, ...]) -> list[Mailbox]:
    domain = names.unit_domain(city, city.allotments[code])
    unit = city.units[code]
    found = []
    for system in city.systems.values():
        for rule in system.mailboxes:
            address = f"{rule.local}@{domain}"
            readers = sorted(account.mail for account in accounts if account.mail and account.post in rule.readers)
            found.append(
                Mailbox(
                    address=address,
                    kind="functional",
                    dn=names.mail_dn(city, code, address),
                    display_name=f"{rule.title} – {unit.name}",
                    owner_dn="",
                    readers=tuple(readers),
                    quota_mb=rule.quota_mb,
                )
            )
    return found
