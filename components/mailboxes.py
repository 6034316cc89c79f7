"""A unit's mailboxes and the addresses that deliver to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.base import Component
from donvi.provider import resources as donvi

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi

    from donvi.tenancy.model import MailAlias, Mailbox


@dataclass(frozen=True)
class MailboxesConfig:
    """What a unit has in the mail system.

    :param unit: official code.
    :param after: containers and accounts that must exist before a mailbox can.
    """

    unit: str
    mailboxes: tuple[Mailbox, ...]
    aliases: tuple[MailAlias, ...]
    after: Sequence[pulumi.Resource] = ()


class Mailboxes(Component):
    """Personal mailboxes, then functional ones that people read, then aliases."""

    def __init__(self, name: str, config: MailboxesConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Mailboxes", name, opts)
        self._config = config
        self.boxes: dict[str, donvi.Mailbox] = {}
        for spec in sorted(config.mailboxes, key=lambda box: (bool(box.readers), box.address)):
            self._mailbox(spec)
        for alias in config.aliases:
            self._alias(alias)
        self.finish(mailboxes=len(config.mailboxes), aliases=len(config.aliases))

    def _mailbox(self, spec: Mailbox) -> None:
        readers = [self.boxes[address] for address in spec.readers if address in self.boxes]
        box = donvi.Mailbox(
            spec.address,
            unit=self._config.unit,
            key=f"mailbox/{spec.address}",
            dn=spec.dn,
            address=spec.address,
            kind=spec.kind,
            display_name=spec.display_name,
            owner_dn=spec.owner_dn,
            readers=spec.readers,
            quota_mb=spec.quota_mb,
            opts=self.own(self._config.after, readers),
        )
        self.boxes[spec.address] = box
        self.keep(box)

    def _alias(self, spec: MailAlias) -> None:
        target = [self.boxes[spec.target]] if spec.target in self.boxes else []
        alias = donvi.Alias(
            spec.address,
            unit=self._config.unit,
            key=f"alias/{spec.address}",
            dn=spec.dn,
            address=spec.address,
            target=spec.target,
            opts=self.own(self._config.after, target),
        )
        self.keep(alias)
