"""Entries of the directory: containers, accounts, groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.provider.resources.base import DonviResource

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi


class OrganizationalUnit(DonviResource):
    """A container. ``description`` is enforced; what is below it belongs to other resources."""

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        dn: pulumi.Input[str],
        description: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"dn": dn, "description": description}
        super().__init__(
            "donvi:directory:OrganizationalUnit",
            name,
            unit=unit,
            key=key,
            inputs=inputs,
            outputs=["entryUuid"],
            opts=opts,
        )


class Account(DonviResource):
    """A person's account or a probe of the verifier.

    The first password is set once and left at the KV path ``credential``: response-wrapped for a person, plain for a
    probe. Deleting locks the account and moves it to ``ou=retained``; creating it again brings the same entry back.

    :param kind: ``person`` or ``probe``.
    """

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        dn: pulumi.Input[str],
        uid: pulumi.Input[str],
        kind: pulumi.Input[str],
        common_name: pulumi.Input[str],
        given_name: pulumi.Input[str],
        surname: pulumi.Input[str],
        title: pulumi.Input[str],
        mail: pulumi.Input[str],
        uid_number: pulumi.Input[int],
        credential: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "dn": dn,
            "uid": uid,
            "kind": kind,
            "commonName": common_name,
            "givenName": given_name,
            "surname": surname,
            "title": title,
            "mail": mail,
            "uidNumber": uid_number,
            "credential": credential,
        }
        super().__init__(
            "donvi:directory:Account",
            name,
            unit=unit,
            key=key,
            inputs=inputs,
            outputs=["entryUuid", "credentialIssued"],
            opts=opts,
        )

    @property
    def entry_uuid(self) -> pulumi.Output[str]:
        """The entry's identity in the directory, for good."""
        return self.output("entryUuid")


class Group(DonviResource):
    """The unit's group of a role on a system. Its members are enforced.

    :param members: DNs of accounts that exist already.
    """

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        dn: pulumi.Input[str],
        description: pulumi.Input[str],
        members: pulumi.Input[Sequence[pulumi.Input[str]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"dn": dn, "description": description, "members": members}
        super().__init__(
            "donvi:directory:Group", name, unit=unit, key=key, inputs=inputs, outputs=["entryUuid"], opts=opts
        )
