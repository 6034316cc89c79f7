"""Workloads: what a pod may be. Kubernetes' Pod Security Standards ``restricted``, and what they leave open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from policies.model import Example, Finding, Level, Rule, Title, Undecided
from policies.pods import WORKLOADS, containers, in_containers, pods
from policies.samples import DEPLOYMENT, NAMESPACE, container, deployment, metadata, namespace, pod
from policies.values import UNKNOWN, absent_or, expect, is_, is_text, label, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from policies.city import CityFacts
    from policies.model import Outcome, Resource

BOX = "spec.template.spec.containers[0]"
_PINNED = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
_VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?([eE][0-9]+|[numkMGTPE]|[KMGTPE]i)?")


def _deployment(*boxes: dict[str, Any], at: tuple[str, ...] = (), **parts: Any) -> Example:
    return Example(DEPLOYMENT, deployment(pod(*boxes, **parts)), at)


def _image(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    expected = "name@sha256:<64 hexadecimal digits>"
    yield from in_containers(
        resource, "image", lambda value: is_text(value) and _PINNED.fullmatch(value) is not None, expected
    )


IMAGE = Rule(
    id="image-by-digest",
    subject="workloads",
    title=Title(
        "Ảnh container được ghi theo mã băm, không theo nhãn", "Container images are named by digest, not by tag"
    ),
    reason="A tag can be moved to another image after it was reviewed; a digest is the image.",
    remedy="Write the image as name@sha256:…, as city/images.yaml does.",
    standard="NIST SP 800-190, 4.2.2; CIS Kubernetes Benchmark, 5.5",
    looks_at=WORKLOADS,
    check=_image,
    kept=(_deployment(),),
    broken=(
        _deployment(container(image="registry.tphcm.test/site:1.4"), at=(f"{BOX}.image",)),
        _deployment(container(image="nginx"), at=(f"{BOX}.image",)),
        _deployment(
            initContainers=[container(name="init", image="busybox:latest")],
            at=("spec.template.spec.initContainers[0].image",),
        ),
    ),
)


def _privileged(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    off = absent_or(is_(False))
    yield from in_containers(resource, "securityContext.privileged", off, "false, or left out")
    yield from in_containers(
        resource,
        "securityContext.procMount",
        absent_or(lambda value: value == "Default"),
        "Default, or left out",
    )
    yield from in_containers(resource, "ports[*].hostPort", absent_or(lambda value: value == 0), "left out")
    yield from in_containers(resource, "securityContext.windowsOptions.hostProcess", off, "false, or left out")
    yield from in_containers(
        resource,
        "securityContext.capabilities.add[*]",
        lambda value: value == "NET_BIND_SERVICE",
        "NET_BIND_SERVICE, or none at all",
    )
    for path, spec in pods(resource):
        for name in ("hostNetwork", "hostPID", "hostIPC"):
            yield from expect(spec, name, off, "false, or left out", path=path)
        yield from expect(spec, "volumes[*].hostPath", lambda value: value is None, "no hostPath", path=path)


PRIVILEGED = Rule(
    id="no-privileged-pods",
    subject="workloads",
    title=Title(
        "Pod không chạy đặc quyền và không dùng tài nguyên của máy chủ",
        "Pods run without privileges and without the node's own namespaces, ports and files",
    ),
    reason="A privileged pod is root on the node, and so in every unit's pods.",
    remedy="Remove privileged, hostNetwork, hostPID, hostIPC, hostPath, hostPort and added capabilities.",
    standard="Pod Security Standards, baseline; CIS Kubernetes Benchmark, 5.2.2-5.2.5, 5.2.9, 5.2.12, 5.2.13",
    looks_at=WORKLOADS,
    check=_privileged,
    kept=(_deployment(), _deployment(container(securityContext={"privileged": False}))),
    broken=(
        _deployment(container(securityContext={"privileged": True}), at=(f"{BOX}.securityContext.privileged",)),
        _deployment(hostNetwork=True, at=("spec.template.spec.hostNetwork",)),
        _deployment(
            volumes=[{"name": "root", "hostPath": {"path": "/"}}], at=("spec.template.spec.volumes[0].hostPath",)
        ),
        _deployment(
            container(securityContext={"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}),
            at=(f"{BOX}.securityContext.capabilities.add[0]",),
        ),
        Example(
            "kubernetes:batch/v1:CronJob",
            {"spec": {"jobTemplate": {"spec": {"template": {"spec": pod(hostPID=True)}}}}},
            at=("spec.jobTemplate.spec.template.spec.hostPID",),
        ),
    ),
)


def _restricted(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    yield from in_containers(resource, "securityContext.allowPrivilegeEscalation", is_(False), "false")
    for path, box in containers(resource):
        yield from _drops_all(path, box)
        yield from expect(
            box,
            "securityContext.runAsUser",
            absent_or(lambda value: value != 0),
            "a user other than 0, or left out",
            path=path,
        )
    yield from _inherited(resource, "runAsNonRoot", "runAsNonRoot", is_(True), "true")
    profile = "RuntimeDefault or Localhost"
    yield from _inherited(
        resource, "seccompProfile", "seccompProfile.type", lambda value: value in profile.split(" or "), profile
    )
    for path, spec in pods(resource):
        for place, volume in walk(spec, "volumes[*]", path):
            if volume is UNKNOWN:
                yield Undecided(place)
            elif not any(name in _VOLUMES for name in volume):
                yield Finding(place, f"one of {', '.join(_VOLUMES)}")


def _drops_all(path: str, box: Any) -> Iterator[Outcome]:
    place = f"{path}.securityContext.capabilities.drop"
    found = [value for _, value in walk(box, "securityContext.capabilities.drop[*]")]
    if any(value is UNKNOWN for value in found):
        yield Undecided(place)
    elif "ALL" not in found:
        yield Finding(place, "[ALL]")


def _inherited(
    resource: Resource, own: str, pattern: str, test: Callable[[Any], bool], expected: str
) -> Iterator[Outcome]:
    """Yield where neither the container nor its pod has the right value; a container's own counts first."""
    for path, spec in pods(resource):
        if spec is UNKNOWN:
            yield Undecided(path)
            continue
        whole = next(walk(spec, f"securityContext.{pattern}", path)).value
        for place, box in containers(resource):
            set_here = next(walk(box, f"securityContext.{own}", place)).value is not None
            value = next(walk(box, f"securityContext.{pattern}", place)).value if set_here else whole
            if value is UNKNOWN:
                yield Undecided(f"{place}.securityContext.{pattern}")
            elif not test(value):
                yield Finding(f"{place}.securityContext.{pattern}", f"{expected}, here or for the whole pod")


RESTRICTED = Rule(
    id="pods-restricted",
    subject="workloads",
    title=Title(
        "Pod tuân theo mức restricted: không root, không nâng quyền, không giữ quyền hệ thống nào",
        "Pods keep to `restricted`: not root, no way to gain rights, all capabilities dropped",
    ),
    reason="What a broken-into site may not do is decided here, not by the site.",
    remedy="Set runAsNonRoot, seccompProfile RuntimeDefault, allowPrivilegeEscalation false, capabilities.drop [ALL].",
    standard="Pod Security Standards, restricted; CIS Kubernetes Benchmark, 5.2.6, 5.2.7, 5.7.2, 5.7.3",
    looks_at=WORKLOADS,
    check=_restricted,
    kept=(_deployment(), _deployment(volumes=[{"name": "page", "configMap": {"name": "page"}}])),
    broken=(
        _deployment(
            container(securityContext={"capabilities": {"drop": ["ALL"]}}),
            at=(f"{BOX}.securityContext.allowPrivilegeEscalation",),
        ),
        _deployment(
            container(securityContext={"allowPrivilegeEscalation": False}),
            at=(f"{BOX}.securityContext.capabilities.drop",),
        ),
        _deployment(
            securityContext={"seccompProfile": {"type": "RuntimeDefault"}},
            at=(f"{BOX}.securityContext.runAsNonRoot",),
        ),
        _deployment(
            securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "Unconfined"}},
            at=(f"{BOX}.securityContext.seccompProfile.type",),
        ),
        _deployment(
            volumes=[{"name": "share", "nfs": {"server": "files", "path": "/"}}],
            at=("spec.template.spec.volumes[0]",),
        ),
    ),
)


def _limits(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    for kind in ("requests", "limits"):
        for name in ("cpu", "memory"):
            yield from in_containers(
                resource, f"resources.{kind}.{name}", _quantity, "an amount, for example 100m or 64Mi"
            )


def _quantity(value: Any) -> bool:
    return _QUANTITY.fullmatch(str(value)) is not None if value is not None else False


LIMITS = Rule(
    id="limits-and-requests",
    subject="workloads",
    title=Title(
        "Mỗi container khai báo mức yêu cầu và giới hạn CPU, bộ nhớ",
        "Every container states requests and limits of processor and memory",
    ),
    reason="A pod without a limit takes what other units' pods need; with a quota it isn't even made.",
    remedy="Set resources.requests and resources.limits, cpu and memory, for every container.",
    standard="NSA/CISA Kubernetes Hardening Guide 1.2, resource policies",
    looks_at=WORKLOADS,
    check=_limits,
    kept=(_deployment(),),
    broken=(
        _deployment(
            container(resources={"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"cpu": "100m"}}),
            at=(f"{BOX}.resources.limits.memory",),
        ),
        _deployment(
            container(resources=None),
            at=tuple(f"{BOX}.resources.{kind}.{name}" for kind in ("requests", "limits") for name in ("cpu", "memory")),
        ),
    ),
)


def _read_only(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    yield from in_containers(resource, "securityContext.readOnlyRootFilesystem", is_(True), "true")


READ_ONLY = Rule(
    id="root-filesystem-read-only",
    subject="workloads",
    title=Title("Hệ thống tệp gốc của container chỉ đọc", "A container's root file system is read-only"),
    reason="Whoever breaks in can't leave a program behind.",
    remedy="Set securityContext.readOnlyRootFilesystem to true; mount an emptyDir where the program must write.",
    standard="NSA/CISA Kubernetes Hardening Guide 1.2, immutable container file systems",
    looks_at=WORKLOADS,
    check=_read_only,
    kept=(_deployment(),),
    broken=(
        _deployment(container(securityContext={}), at=(f"{BOX}.securityContext.readOnlyRootFilesystem",)),
        _deployment(
            container(securityContext={"readOnlyRootFilesystem": False}),
            at=(f"{BOX}.securityContext.readOnlyRootFilesystem",),
        ),
    ),
)

ACCOUNT = "kubernetes:core/v1:ServiceAccount"


def _token(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    if resource.type == ACCOUNT:
        yield from expect(resource.inputs, "automountServiceAccountToken", is_(False), "false")
        return
    for path, spec in pods(resource):
        yield from expect(spec, "automountServiceAccountToken", is_(False), "false", path=path)


TOKEN = Rule(
    id="no-service-account-token",
    subject="workloads",
    title=Title(
        "Pod không tự nhận mã truy cập của tài khoản dịch vụ", "Pods get no service account's token of their own accord"
    ),
    reason="A site never asks the cluster for anything; a token would let an intruder do so.",
    remedy="Set automountServiceAccountToken to false on the pod and on the service account.",
    standard="CIS Kubernetes Benchmark, 5.1.5, 5.1.6",
    looks_at=(*WORKLOADS, ACCOUNT),
    check=_token,
    kept=(_deployment(), Example(ACCOUNT, {"metadata": metadata("default"), "automountServiceAccountToken": False})),
    broken=(
        _deployment(automountServiceAccountToken=None, at=("spec.template.spec.automountServiceAccountToken",)),
        Example(ACCOUNT, {"metadata": metadata("default")}, at=("automountServiceAccountToken",)),
    ),
)


def _probes(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    if resource.kind in {"Job", "CronJob"}:
        return
    for path, spec in pods(resource):
        for name in ("readinessProbe", "livenessProbe"):
            yield from expect(spec, f"containers[*].{name}", lambda value: value is not None, "a probe", path=path)


PROBES = Rule(
    id="probes-stated",
    subject="workloads",
    title=Title("Container có phép thử sẵn sàng và phép thử sống", "Containers have a readiness and a liveness probe"),
    reason="Without them a pod that answers nothing counts as ready, and an update replaces good pods by it.",
    remedy="Add readinessProbe and livenessProbe.",
    standard="donvi",
    level=Level.ADVISORY,
    looks_at=WORKLOADS,
    check=_probes,
    kept=(_deployment(),),
    broken=(_deployment(container(readinessProbe=None), at=(f"{BOX}.readinessProbe",)),),
)


def _pod_security(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    path, value = label(resource.inputs, "pod-security.kubernetes.io/enforce")
    if value is UNKNOWN:
        yield Undecided(path)
    elif value != "restricted":
        yield Finding(path, "restricted")


POD_SECURITY = Rule(
    id="namespace-pod-security",
    subject="workloads",
    title=Title("Không gian tên buộc pod theo mức restricted", "A namespace enforces Pod Security `restricted`"),
    reason="The cluster then refuses what came past this pack, by hand for example.",
    remedy="Label the namespace pod-security.kubernetes.io/enforce: restricted.",
    standard="Pod Security Standards, restricted; CIS Kubernetes Benchmark, 5.2.1",
    looks_at=("kubernetes:core/v1:Namespace",),
    check=_pod_security,
    kept=(Example(NAMESPACE, namespace()),),
    broken=(
        Example(
            NAMESPACE,
            namespace(**{"pod-security.kubernetes.io/enforce": "baseline"}),
            at=('metadata.labels["pod-security.kubernetes.io/enforce"]',),
        ),
        Example(
            NAMESPACE, {"metadata": {"name": "plain"}}, at=('metadata.labels["pod-security.kubernetes.io/enforce"]',)
        ),
    ),
)

RULES = (IMAGE, PRIVILEGED, RESTRICTED, LIMITS, READ_ONLY, TOKEN, PROBES, POD_SECURITY)
