"""What every component of this package has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from donvi.provider.resources import DonviResource


class Component(pulumi.ComponentResource):
    """A component that remembers its resources in the order they were declared.

    :param concern: last part of the type token ``donvi:component:<concern>``.
    """

    def __init__(self, concern: str, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(f"donvi:component:{concern}", name, None, opts)
        self.resources: list[DonviResource] = []

    def own(self, *after: Iterable[pulumi.Resource]) -> pulumi.ResourceOptions:
        """Options of a child: ours, made after the given resources and deleted before them."""
        return pulumi.ResourceOptions(parent=self, depends_on=[item for group in after for item in group])

    def keep(self, resource: DonviResource) -> None:
        """Remember a child."""
        self.resources.append(resource)

    @property
    def changed_at(self) -> pulumi.Output[str]:
        """When any of the resources was last created or updated by donvi (RFC 3339); empty if none ever was."""
        return latest(self.resources)

    def finish(self, **outputs: Any) -> None:
        """Register the outputs; the last statement of every component's constructor."""
        self.register_outputs({**outputs, "changedAt": self.changed_at})


def latest(resources: Sequence[DonviResource]) -> pulumi.Output[str]:
    """Return the latest ``changed_at``; the timestamps have a fixed width, so text order is time order."""
    stamps = pulumi.Output.all(*(resource.changed_at for resource in resources))
    return stamps.apply(lambda known: max(known, default=""))
