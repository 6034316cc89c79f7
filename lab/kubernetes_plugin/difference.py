"""What changed between two objects, path by path, and which of it replaces the object. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from donvi.plugin.changes import Change
from donvi.plugin.wire import Unknown
from lab.kubernetes_plugin.paths import Path, parsed, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.kubernetes_plugin.kinds import Kind


@dataclass(frozen=True, slots=True)
class Mutable:
    """Objects whose content the provider's settings allow to change in place; the official plugin's defaults."""

    config_map: bool = False
    secret: bool = False


def compare(old: Any, new: Any, path: Path = ()) -> Iterator[tuple[Path, Change]]:
    """Yield the paths at which ``new`` differs. A value that isn't known counts as changed."""
    if isinstance(new, Unknown):
        yield path, Change.UPDATE
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from _compare_maps(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _compare_lists(old, new, path)
    elif not same(old, new):
        yield path, Change.UPDATE


def same(old: Any, new: Any) -> bool:
    """Compare two values as JSON does: ``1`` equals ``1.0``, but nothing equals ``True`` except itself."""
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    return bool(old == new)


def _compare_maps(old: dict[str, Any], new: dict[str, Any], path: Path) -> Iterator[tuple[Path, Change]]:
    for key in sorted({*old, *new}):
        if key not in old:
            if not empty(new[key]):
                yield (*path, key), Change.ADD
        elif key not in new:
            if not empty(old[key]):
                yield (*path, key), Change.DELETE
        else:
            yield from compare(old[key], new[key], (*path, key))


def _compare_lists(old: list[Any], new: list[Any], path: Path) -> Iterator[tuple[Path, Change]]:
    for index in range(max(len(old), len(new))):
        if index >= len(old):
            yield (*path, index), Change.ADD
        elif index >= len(new):
            yield (*path, index), Change.DELETE
        else:
            yield from compare(old[index], new[index], (*path, index))


def empty(value: Any) -> bool:
    """Say whether the API can't tell the value from an absent one."""
    return value is None


_CONTAINER = (
    "args",
    "command",
    "env",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
)
_POD = (
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "volumes",
)
_VOLUME = (
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
)
_FIXED: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "StatefulSet"): (
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner"),
    ("", "PersistentVolume"): tuple(f"spec.{name}" for name in _VOLUME),
    ("", "PersistentVolumeClaim"): (
        "spec.accessModes",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeName",
    ),
    ("", "Pod"): (
        *(f"spec.{name}" for name in _POD),
        *(f"spec.{kind}[*].{name}" for kind in ("containers", "initContainers") for name in _CONTAINER),
    ),
    ("", "ResourceQuota"): ("spec.scopes",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP",),
}
"""What the official plugin replaces an object for, besides its name and namespace (``provider/diff.go`` there)."""


def replacing(kind: Kind, new: dict[str, Any], mutable: Mutable) -> tuple[Path, ...]:
    """Return the paths whose change replaces an object of this kind."""
    names = ["metadata.name", "metadata.namespace", *_FIXED.get((kind.group, kind.name), ())]
    frozen = new.get("immutable") is True
    if (kind.group, kind.name) == ("", "ConfigMap") and (frozen or not mutable.config_map):
        names += ["data", "binaryData"]
    if (kind.group, kind.name) == ("", "Secret") and (frozen or not mutable.secret):
        names += ["data", "stringData"]
    return tuple(parsed(name) for name in names)


def replaces(paths: dict[Path, Change], fixed: tuple[Path, ...]) -> set[Path]:
    """Return those of the changed paths that replace the object; a whole branch counts if part of it is fixed."""
    return {path for path in paths if within(path, fixed) or any(within(one, [path]) for one in fixed)}
