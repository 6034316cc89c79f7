"""What the provider itself writes into the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.provider.resources.base import DonviResource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pulumi


class CertificateSecret(DonviResource):
    """A certificate with its key in a Secret; the key is made by the provider and is in no output.

    :param namespace: namespace of the Secret, ``name_`` its name, ``labels`` its labels beside the owner mark.
    :param mount: PKI mount that signs, by its role ``role``.
    :param ttl_hours: validity.
    """

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        namespace: pulumi.Input[str],
        name_: pulumi.Input[str],
        labels: pulumi.Input[Mapping[str, pulumi.Input[str]]],
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
            "namespace": namespace,
            "name": name_,
            "labels": labels,
            "mount": mount,
            "role": role,
            "commonName": common_name,
            "dnsNames": dns_names,
            "uris": uris,
            "usages": usages,
            "ttlHours": ttl_hours,
        }
        outputs = ["serial", "fingerprint", "notBefore", "notAfter", "renewalAt", "publicKey", "issuer"]
        super().__init__(
            "donvi:kubernetes:CertificateSecret", name, unit=unit, key=key, inputs=inputs, outputs=outputs, opts=opts
        )

    @property
    def serial(self) -> pulumi.Output[str]:
        """Serial number, hexadecimal."""
        return self.output("serial")

    @property
    def fingerprint(self) -> pulumi.Output[str]:
        """SHA-256 of the certificate, hexadecimal."""
        return self.output("fingerprint")

    @property
    def not_after(self) -> pulumi.Output[str]:
        """End of validity (RFC 3339)."""
        return self.output("notAfter")
