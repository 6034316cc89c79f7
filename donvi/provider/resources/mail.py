"""Mailboxes and aliases of the mail system, which are entries of the directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.provider.resources.base import DonviResource

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi


class Mailbox(DonviResource):
    """A mailbox. Deleting it stops delivery and keeps the store.

    :param kind: ``personal``, ``functional`` or ``probe``.
    :param owner_dn: the account that logs in; empty for a functional mailbox.
    :param readers: addresses of the people who read a functional mailbox.
    :param quota_mb: MiB.
    """

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        dn: pulumi.Input[str],
        address: pulumi.Input[str],
        kind: pulumi.Input[str],
        display_name: pulumi.Input[str],
        owner_dn: pulumi.Input[str],
        readers: pulumi.Input[Sequence[pulumi.Input[str]]],
        quota_mb: pulumi.Input[int],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "dn": dn,
            "address": address,
            "kind": kind,
            "displayName": display_name,
            "ownerDn": owner_dn,
            "readers": readers,
            "quotaMb": quota_mb,
        }
        super().__init__(
            "donvi:mail:Mailbox", name, unit=unit, key=key, inputs=inputs, outputs=["entryUuid"], opts=opts
        )


class Alias(DonviResource):
    """An address that delivers to a mailbox."""

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        dn: pulumi.Input[str],
        address: pulumi.Input[str],
        target: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"dn": dn, "address": address, "target": target}
        super().__init__("donvi:mail:Alias", name, unit=unit, key=key, inputs=inputs, outputs=["entryUuid"], opts=opts)
