"""The typed objects of one app: its page, its pods, its Service.

Pods fulfil Pod Security ``restricted`` and more: no token, a read-only root, one user who isn't root, no service links.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
from pulumi_kubernetes.apps.v1 import (
    DeploymentSpecArgs,
    DeploymentStrategyArgs,
    RollingUpdateDeploymentArgs,
)
from pulumi_kubernetes.core.v1 import (
    CapabilitiesArgs,
    ConfigMapVolumeSourceArgs,
    ContainerArgs,
    ContainerPortArgs,
    HTTPGetActionArgs,
    KeyToPathArgs,
    LifecycleArgs,
    LifecycleHandlerArgs,
    PodSecurityContextArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ProbeArgs,
    ResourceRequirementsArgs,
    SeccompProfileArgs,
    SecretVolumeSourceArgs,
    SecurityContextArgs,
    ServicePortArgs,
    ServiceSpecArgs,
    SleepActionArgs,
    TopologySpreadConstraintArgs,
    VolumeArgs,
    VolumeMountArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from components.namespaces import APP_LABEL, labels, quantities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from donvi.tenancy.app_model import App, Container

USER = 65532
"""Who runs in every pod: no user of any image, and no owner of any file."""

CERTIFICATE, PAGE = "certificate", "page"
HTTPS, PROBE = "https", "probe"
REVISIONS = 2
PROGRESS_SECONDS = 120
GRACE_SECONDS, FAREWELL_SECONDS = 15, 3
LATE_SECONDS = 5
"""How late an answer may be: where hundreds of sites share a busy node, restarting the slow ones would slow all."""
READABLE_BY_GROUP = 0o440


def page_name(app: App, files: Mapping[str, str]) -> str:
    """Return the name of the ConfigMap that holds a page; other contents have another name, and pods roll over."""
    digest = sha256(msgspec.json.encode(dict(files), order="deterministic")).hexdigest()
    return f"{app.id}-page-{digest[:10]}"


def deployment(app: App, unit: str, page: str) -> DeploymentSpecArgs:
    """Return the app's pods.

    :param page: name of the ConfigMap with the unit's page; "" without.
    """
    own = {APP_LABEL: app.id}
    return DeploymentSpecArgs(
        replicas=app.replicas,
        revision_history_limit=REVISIONS,
        progress_deadline_seconds=PROGRESS_SECONDS,
        selector=LabelSelectorArgs(match_labels=own),
        strategy=DeploymentStrategyArgs(
            type="RollingUpdate", rolling_update=RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0)
        ),
        template=PodTemplateSpecArgs(
            metadata=ObjectMetaArgs(labels={**labels(unit, app.zone, app.system), **own}),
            spec=_pod(app, own, page),
        ),
    )


def service(app: App) -> ServiceSpecArgs:
    """Return the Service that the gateway's route leads to; the pods end TLS themselves."""
    return ServiceSpecArgs(
        type="ClusterIP",
        selector={APP_LABEL: app.id},
        ports=[ServicePortArgs(name=HTTPS, port=app.route.port, target_port=HTTPS, protocol="TCP")],
    )


def _pod(app: App, own: dict[str, str], page: str) -> PodSpecArgs:
    return PodSpecArgs(
        automount_service_account_token=False,
        enable_service_links=False,
        termination_grace_period_seconds=GRACE_SECONDS,
        security_context=PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,  # the key is readable by this group only
            seccomp_profile=SeccompProfileArgs(type="RuntimeDefault"),
        ),
        topology_spread_constraints=[
            TopologySpreadConstraintArgs(
                max_skew=1,
                topology_key="kubernetes.io/hostname",
                when_unsatisfiable="ScheduleAnyway",
                label_selector=LabelSelectorArgs(match_labels=own),
            )
        ],
        containers=[_container(app.id, app.container)],
        volumes=_volumes(app, page),
    )


def _container(name: str, spec: Container) -> ContainerArgs:
    mounts = [VolumeMountArgs(name=CERTIFICATE, mount_path=spec.certificate_path, read_only=True)]
    if spec.page_path:
        mounts.append(VolumeMountArgs(name=PAGE, mount_path=spec.page_path, read_only=True))
    share = quantities(spec.share)
    return ContainerArgs(
        name=name,
        image=spec.image,
        image_pull_policy="IfNotPresent",
        ports=[
            ContainerPortArgs(name=HTTPS, container_port=spec.port, protocol="TCP"),
            ContainerPortArgs(name=PROBE, container_port=spec.probe.port, protocol="TCP"),
        ],
        resources=ResourceRequirementsArgs(requests=share["requests"], limits=share["limits"]),
        readiness_probe=ProbeArgs(
            http_get=_ask(spec.probe.ready), period_seconds=5, timeout_seconds=LATE_SECONDS, failure_threshold=2
        ),
        liveness_probe=ProbeArgs(
            http_get=_ask(spec.probe.live), period_seconds=20, timeout_seconds=LATE_SECONDS, failure_threshold=3
        ),
        # the gateway forgets the pod before the pod stops listening
        lifecycle=LifecycleArgs(pre_stop=LifecycleHandlerArgs(sleep=SleepActionArgs(seconds=FAREWELL_SECONDS))),
        security_context=SecurityContextArgs(
            allow_privilege_escalation=False,
            privileged=False,
            read_only_root_filesystem=True,
            run_as_non_root=True,
            capabilities=CapabilitiesArgs(drop=["ALL"]),
        ),
        volume_mounts=mounts,
    )


def _ask(path: str) -> HTTPGetActionArgs:
    return HTTPGetActionArgs(path=path, port=PROBE, scheme="HTTP")


def _volumes(app: App, page: str) -> list[VolumeArgs]:
    files = [KeyToPathArgs(key=name, path=name) for name in ("tls.crt", "tls.key")]
    volumes = [
        VolumeArgs(
            name=CERTIFICATE,
            secret=SecretVolumeSourceArgs(secret_name=app.secret, default_mode=READABLE_BY_GROUP, items=files),
        )
    ]
    if page:
        volumes.append(VolumeArgs(name=PAGE, config_map=ConfigMapVolumeSourceArgs(name=page)))
    return volumes
