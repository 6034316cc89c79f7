"""The proof that a unit is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.provider.resources.base import DonviResource

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pulumi


class Verification(DonviResource):
    """Asks the real systems when the tenancy or something it depends on changed; fails unless the unit is open.

    :param digest: of the tenancy.
    :param depends: subject to the moment when something of it last changed (``changed_at``).
    :param versions: subject to a text that changes with every object of it that another provider makes.
    :param suite: folder below ``tests/`` with the questions.
    """

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        digest: pulumi.Input[str],
        depends: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        versions: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        suite: pulumi.Input[str] = "acceptance",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"digest": digest, "depends": depends, "versions": versions or {}, "suite": suite}
        outputs = ["verdict", "passed", "failed", "inconclusive", "finishedAt"]
        super().__init__(
            "donvi:verify:Verification", name, unit=unit, key=key, inputs=inputs, outputs=outputs, opts=opts
        )

    @property
    def verdict(self) -> pulumi.Output[str]:
        """``passed`` when every question was answered well."""
        return self.output("verdict")

    @property
    def finished_at(self) -> pulumi.Output[str]:
        """When the last run ended (RFC 3339)."""
        return self.output("finishedAt")
