"""What all resources of the provider have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pulumi

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class CityProvider(pulumi.ProviderResource):
    """The provider, told where the city's systems are.

    :param deployment: JSON text of the deployment file, the output ``deployment`` of the ``platform`` stack.
    """

    def __init__(self, name: str, *, deployment: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("donvi", name, {"deployment": deployment}, opts)


class DonviResource(pulumi.CustomResource):
    """Base of the typed resources.

    :param token: ``donvi:<subject>:<Name>``.
    :param unit: official code of the owning unit, or ``platform``.
    :param key: logical id inside the unit; with ``unit`` the mark that the real object carries.
    :param inputs: by their names on the wire (camelCase); tuples are sent as lists.
    :param outputs: names on the wire of what the provider computes.
    """

    def __init__(
        self,
        token: str,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        inputs: Mapping[str, Any],
        outputs: Collection[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        computed = dict.fromkeys((*outputs, "changedAt"))
        given = {name: _plain(value) for name, value in inputs.items()}
        super().__init__(token, name, {"unit": unit, "key": key, **given, **computed}, opts)

    @property
    def changed_at(self) -> pulumi.Output[str]:
        """When donvi last created or updated the object (RFC 3339); empty after an import."""
        return self.output("changedAt")

    def output(self, name: str) -> pulumi.Output[Any]:
        """Return an input or output by its name on the wire."""
        return cast("pulumi.Output[Any]", pulumi.get(self, name))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
