"""Names in the DNS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.provider.resources.base import DonviResource

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi


class RecordSet(DonviResource):
    """All records of one name and type, written by a signed dynamic update.

    :param zone: zone that holds the name.
    :param name_: absolute name without the final dot.
    :param type_: ``A``, ``AAAA``, ``MX`` …
    :param ttl: seconds.
    :param values: in presentation form.
    :param credential: KV path of the TSIG key that may write the name.
    """

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        zone: pulumi.Input[str],
        name_: pulumi.Input[str],
        type_: pulumi.Input[str],
        ttl: pulumi.Input[int],
        values: pulumi.Input[Sequence[pulumi.Input[str]]],
        credential: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "zone": zone,
            "name": name_,
            "type": type_,
            "ttl": ttl,
            "values": values,
            "credential": credential,
        }
        super().__init__("donvi:dns:RecordSet", name, unit=unit, key=key, inputs=inputs, opts=opts)
