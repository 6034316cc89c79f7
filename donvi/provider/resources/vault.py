"""What a unit has in Vault: rights, a machine identity, certificates; and what the platform has there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict

from donvi.provider.resources.base import DonviResource

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi


class Rule(TypedDict):
    """One rule of a policy; ``path`` below a mount, ``capabilities`` as Vault spells them, sorted.

    ``denied``: parameters that no request may have.
    """

    path: str
    capabilities: Sequence[str]
    denied: NotRequired[Sequence[str]]


class Policy(DonviResource):
    """A Vault policy as data."""

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        name_: pulumi.Input[str],
        rules: pulumi.Input[Sequence[pulumi.Input[Rule]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"name": name_, "rules": rules}
        super().__init__("donvi:vault:Policy", name, unit=unit, key=key, inputs=inputs, opts=opts)


class AppRole(DonviResource):
    """A machine identity; its SecretIDs are issued elsewhere, wrapped and bound to ``bound_cidrs``."""

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        name_: pulumi.Input[str],
        policies: pulumi.Input[Sequence[pulumi.Input[str]]],
        token_ttl_seconds: pulumi.Input[int],
        secret_id_ttl_seconds: pulumi.Input[int],
        bound_cidrs: pulumi.Input[Sequence[pulumi.Input[str]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "name": name_,
            "policies": policies,
            "tokenTtlSeconds": token_ttl_seconds,
            "secretIdTtlSeconds": secret_id_ttl_seconds,
            "boundCidrs": bound_cidrs,
        }
        super().__init__("donvi:vault:AppRole", name, unit=unit, key=key, inputs=inputs, outputs=["roleId"], opts=opts)


class LoginGroup(DonviResource):
    """What members of a group of the directory may do once they log in by a method, e.g. ``ldap``."""

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        method: pulumi.Input[str],
        name_: pulumi.Input[str],
        policies: pulumi.Input[Sequence[pulumi.Input[str]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"method": method, "name": name_, "policies": policies}
        super().__init__("donvi:vault:LoginGroup", name, unit=unit, key=key, inputs=inputs, opts=opts)


class PkiRole(DonviResource):
    """What certificates of one purpose may say: exact names, exact URIs, client or server or neither.

    :param organization: what every subject says.
    :param login: login method of Vault; in place of ``allowed_domains``, the common name is the caller's name there.
    """

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        mount: pulumi.Input[str],
        name_: pulumi.Input[str],
        allowed_domains: pulumi.Input[Sequence[pulumi.Input[str]]],
        allowed_uris: pulumi.Input[Sequence[pulumi.Input[str]]],
        client: pulumi.Input[bool],
        server: pulumi.Input[bool],
        max_ttl_hours: pulumi.Input[int],
        organization: pulumi.Input[str] | None = None,
        login: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "mount": mount,
            "name": name_,
            "allowedDomains": allowed_domains,
            "allowedUris": allowed_uris,
            "client": client,
            "server": server,
            "maxTtlHours": max_ttl_hours,
            "organization": organization,
            "login": login,
        }
        super().__init__("donvi:vault:PkiRole", name, unit=unit, key=key, inputs=inputs, opts=opts)


class PkiUrls(DonviResource):
    """Where certificates of a mount say that the issuer and the revocation list are published."""

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        mount: pulumi.Input[str],
        issuing: pulumi.Input[Sequence[pulumi.Input[str]]],
        crl: pulumi.Input[Sequence[pulumi.Input[str]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"mount": mount, "issuing": issuing, "crl": crl}
        super().__init__("donvi:vault:PkiUrls", name, unit=unit, key=key, inputs=inputs, opts=opts)


class TransitKey(DonviResource):
    """The key that wraps the secrets of one stack's state; never deleted while that state exists."""

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        name_: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            "donvi:vault:TransitKey",
            name,
            unit=unit,
            key=key,
            inputs={"name": name_},
            outputs=["latestVersion"],
            opts=opts,
        )


class Certificate(DonviResource):
    """A certificate whose key is made on a machine and never leaves it; Vault signs its request.

    :param machine: name of the machine that holds the key.
    :param mount: PKI mount that signs, by its role ``role``.
    :param usages: extended key usages ``client`` and ``server``; empty for a seal.
    :param ttl_hours: validity.
    """

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        machine: pulumi.Input[str],
        mount: pulumi.Input[str],
        role: pulumi.Input[str],
        common_name: pulumi.Input[str],
        dns_names: pulumi.Input[Sequence[pulumi.Input[str]]],
        uris: pulumi.Input[Sequence[pulumi.Input[str]]],
        usages: pulumi.Input[Sequence[pulumi.Input[str]]],
        ttl_hours: pulumi.Input[int],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "machine": machine,
            "mount": mount,
            "role": role,
            "commonName": common_name,
            "dnsNames": dns_names,
            "uris": uris,
            "usages": usages,
            "ttlHours": ttl_hours,
        }
        outputs = ["serial", "fingerprint", "notBefore", "notAfter", "publicKey", "issuer"]
        super().__init__("donvi:pki:Certificate", name, unit=unit, key=key, inputs=inputs, outputs=outputs, opts=opts)

    @property
    def serial(self) -> pulumi.Output[str]:
        """Serial number, hexadecimal."""
        return self.output("serial")

    @property
    def not_after(self) -> pulumi.Output[str]:
        """End of validity (RFC 3339)."""
        return self.output("notAfter")
