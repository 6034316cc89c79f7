"""Machines configured by playbooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from donvi.provider.resources.base import DonviResource

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pulumi


class Configuration(DonviResource):
    """What a machine gets from a playbook; a preview shows the rendered lines and what would change on the machine.

    :param machine: name in the deployment.
    :param playbook: ``gateway``, ``router`` or ``workstation``.
    :param files: rendered texts by the name that the playbook knows, e.g. ``nftables``.
    :param settings: plain JSON values for the playbook; never a secret.
    :param host_certificate_hours: life of the certificate of the machine's SSH host key; 0 for none.
    :param preview: ``checked``, or ``rendered`` for a preview that contacts no machine.
    """

    def __init__(
        self,
        name: str,
        *,
        unit: pulumi.Input[str],
        key: pulumi.Input[str],
        machine: pulumi.Input[str],
        playbook: pulumi.Input[str],
        files: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        settings: pulumi.Input[Mapping[str, Any]] | None = None,
        host_certificate_hours: pulumi.Input[int] = 0,
        preview: pulumi.Input[str] = "checked",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "machine": machine,
            "playbook": playbook,
            "files": files,
            "settings": settings or {},
            "hostCertificateHours": host_certificate_hours,
            "preview": preview,
        }
        outputs = ["digest", "roles", "changedTasks", "drift", "renewalAt"]
        super().__init__(
            "donvi:machine:Configuration", name, unit=unit, key=key, inputs=inputs, outputs=outputs, opts=opts
        )

    @property
    def digest(self) -> pulumi.Output[str]:
        """Digest of what was rendered."""
        return self.output("digest")
