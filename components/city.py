"""What the units share: names of the city's servers, published addresses of the issuers, policies, keys of stacks.

It makes nothing that a server needs before it can start: mounts, intermediates and the zone itself belong to the
``datacentre`` playbook.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.base import Component
from components.certificates import policy
from components.machines import MachinesConfig, Network
from components.names import Names, NamesConfig
from donvi.provider import resources as donvi
from donvi.tenancy.machines import platform_router
from donvi.tenancy.names import tsig_credential

if TYPE_CHECKING:
    import pulumi

    from donvi.tenancy import Platform

OWNER = "platform"


@dataclass(frozen=True)
class CityPlatformConfig:
    """The description of what units share."""

    platform: Platform
    machine_preview: str = "checked"


class CityPlatform(Component):
    """DNS names of the servers, the core router, issuer URLs, policies, and one transit key per unit's stack."""

    def __init__(self, name: str, config: CityPlatformConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("CityPlatform", name, opts)
        platform = config.platform
        self.names = Names(
            "names", NamesConfig(OWNER, platform.domain, tsig_credential(OWNER), platform.dns), self.own()
        )
        self.resources += self.names.resources
        self.network = Network(
            "network", MachinesConfig(OWNER, (platform_router(platform),), config.machine_preview), self.own()
        )
        self.resources += self.network.resources
        for urls in platform.pki_urls:
            self.keep(
                donvi.PkiUrls(
                    urls.mount,
                    unit=OWNER,
                    key=f"pki-urls/{urls.mount}",
                    mount=urls.mount,
                    issuing=urls.issuing,
                    crl=urls.crl,
                    opts=self.own(),
                )
            )
        for spec in platform.policies:
            policy(self, OWNER, spec)
        for transit in platform.transit_keys:
            self.keep(
                donvi.TransitKey(
                    transit.name, unit=OWNER, key=f"transit-key/{transit.name}", name_=transit.name, opts=self.own()
                )
            )
        self.finish(domain=platform.domain, stacks=[transit.name for transit in platform.transit_keys])
