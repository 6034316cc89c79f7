"""Names in the DNS: of a unit below its own domain, or of the city's servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.base import Component
from donvi.provider import resources as donvi

if TYPE_CHECKING:
    import pulumi

    from donvi.tenancy.model import DnsRecord


@dataclass(frozen=True)
class NamesConfig:
    """Record sets and the key that may write them.

    :param unit: official code, or ``platform``.
    :param zone: the city's zone.
    :param credential: KV path of the TSIG key.
    """

    unit: str
    zone: str
    credential: str
    records: tuple[DnsRecord, ...]


class Names(Component):
    """One resource per name and type."""

    def __init__(self, name: str, config: NamesConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Names", name, opts)
        for record in config.records:
            self.keep(
                donvi.RecordSet(
                    record.id,
                    unit=config.unit,
                    key=f"dns/{record.id}",
                    zone=config.zone,
                    name_=record.name,
                    type_=record.type,
                    ttl=record.ttl,
                    values=record.values,
                    credential=config.credential,
                    opts=self.own(),
                )
            )
        self.finish(names=sorted({record.name for record in config.records}))
