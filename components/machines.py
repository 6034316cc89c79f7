"""Machines that playbooks configure: a unit's part of the core router, its gateway, its workstations.

In that order: a gateway without its part of the router reaches nothing, a workstation without its gateway neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.base import Component
from donvi.provider import resources as donvi
from donvi.tenancy.machines import ROUTER

if TYPE_CHECKING:
    import pulumi

    from donvi.tenancy.machines import MachineConfiguration


@dataclass(frozen=True)
class MachinesConfig:
    """What is rendered for which machine.

    :param unit: official code, or ``platform``.
    :param machines: in the order in which they are configured.
    :param preview: ``checked``, or ``rendered`` for previews that contact no machine.
    """

    unit: str
    machines: tuple[MachineConfiguration, ...]
    preview: str = "checked"


class Machines(Component):
    """One configuration after the other."""

    def __init__(
        self, concern: str, name: str, config: MachinesConfig, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(concern, name, opts)
        for spec in config.machines:
            self.keep(
                donvi.Configuration(
                    spec.id if spec.machine == ROUTER else spec.machine,
                    unit=config.unit,
                    key=f"machine/{spec.machine}",
                    machine=spec.machine,
                    playbook=spec.playbook,
                    files=spec.files,
                    settings=spec.settings,
                    host_certificate_hours=spec.host_certificate_hours,
                    preview=config.preview,
                    opts=self.own(self.resources),
                )
            )
        self.finish(machines=[spec.machine for spec in config.machines])


class Network(Machines):
    """The unit's part of the city's network: its fragment on the core router, then its gateway."""

    def __init__(self, name: str, config: MachinesConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Network", name, config, opts)


class Endpoints(Machines):
    """The unit's workstations."""

    def __init__(self, name: str, config: MachinesConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Endpoints", name, config, opts)
