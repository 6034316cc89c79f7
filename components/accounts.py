"""A unit's subtree of the directory: containers, accounts, groups.

It refuses nothing itself: the description was checked where the data was read. Passwords are not here; an account names
the path in Vault's KV where the provider leaves what opens it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.base import Component
from donvi.provider import resources as donvi

if TYPE_CHECKING:
    import pulumi

    from donvi.tenancy.model import Account, Group, OrganizationalUnit


@dataclass(frozen=True)
class AccountsConfig:
    """What a unit has in the directory; containers come parents first.

    :param unit: official code.
    """

    unit: str
    organizational_units: tuple[OrganizationalUnit, ...]
    accounts: tuple[Account, ...]
    groups: tuple[Group, ...]


class Accounts(Component):
    """Containers, then accounts inside them, then groups of those accounts."""

    def __init__(self, name: str, config: AccountsConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Accounts", name, opts)
        self.unit = config.unit
        self.containers: dict[str, donvi.OrganizationalUnit] = {}
        for container in config.organizational_units:
            self._container(container)
        self.accounts = {account.dn: self._account(account) for account in config.accounts}
        for group in config.groups:
            self._group(group)
        self.finish(accounts=len(config.accounts), groups=len(config.groups))

    def _container(self, spec: OrganizationalUnit) -> None:
        self.containers[spec.dn] = donvi.OrganizationalUnit(
            spec.id,
            unit=self.unit,
            key=f"ou/{spec.id}",
            dn=spec.dn,
            description=spec.description,
            opts=self.own(self._above(spec.dn)),
        )
        self.keep(self.containers[spec.dn])

    def _account(self, spec: Account) -> donvi.Account:
        account = donvi.Account(
            spec.id,
            unit=self.unit,
            key=f"account/{spec.id}",
            dn=spec.dn,
            uid=spec.id,
            kind=spec.kind,
            common_name=spec.common_name,
            given_name=spec.given_name,
            surname=spec.surname,
            title=spec.post_title,
            mail=spec.mail,
            uid_number=spec.uid_number,
            credential=spec.credential,
            opts=self.own(self._above(spec.dn)),
        )
        self.keep(account)
        return account

    def _group(self, spec: Group) -> None:
        members = [self.accounts[dn] for dn in spec.members if dn in self.accounts]
        group = donvi.Group(
            spec.id,
            unit=self.unit,
            key=f"group/{spec.id}",
            dn=spec.dn,
            description=spec.title,
            members=spec.members,
            opts=self.own(self._above(spec.dn), members),
        )
        self.keep(group)

    def _above(self, dn: str) -> list[donvi.OrganizationalUnit]:
        """The container an entry lies in, if it is one of ours."""
        parent = dn.partition(",")[2]
        return [self.containers[parent]] if parent in self.containers else []
