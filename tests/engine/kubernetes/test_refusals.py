"""What the cluster doesn't allow or can't do: said with reason and deadline, recorded, finished by the next run."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tests.engine.kubernetes.project import Project, kubelet, wait_until

if TYPE_CHECKING:
    from tests.support.control_plane import ControlPlane, Kube


def test_an_exceeded_quota_is_the_reason_given_and_the_next_run_finishes(project: Project, kube: Kube) -> None:
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}}}
    kube.post(f"/api/v1/namespaces/{project.namespace}/resourcequotas", quota)
    project.program('site("web", seconds=6)')
    said = project.up(fails=True)
    assert f"Deployment {project.namespace}/web isn't ready after 6 s" in said
    assert "exceeded quota: small" in said
    assert "web" in project.state(), "what was made is recorded"
    kube.delete(f"/api/v1/namespaces/{project.namespace}/resourcequotas/small")
    project.program('site("web", seconds=120)')  # the ReplicaSet's controller tries again at growing intervals
    with kubelet(kube, project.namespace):
        project.up()
    project.unchanged()


def test_a_missing_image_a_crash_and_a_full_cluster_are_told_apart(project: Project, kube: Kube) -> None:
    pods = f"/api/v1/namespaces/{project.namespace}/pods"
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    crashing = {"reason": "CrashLoopBackOff", "message": "back-off 10s"}
    full = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}
    plays = {
        "missing": {"containerStatuses": [status(waiting)]},
        "crash": {"containerStatuses": [{**status(crashing), "lastState": {"terminated": {"exitCode": 7}}}]},
        "full": {"conditions": [full]},
    }

    def play() -> None:
        for pod in kube.get(pods)["items"]:
            kube.status(f"{pods}/{pod['metadata']['name']}", plays[pod["metadata"]["labels"]["app"]])

    project.program('[site(name, seconds=8) for name in ("missing", "crash", "full")]')
    process = project.start("up", "--yes", "--skip-preview")
    assert wait_until(lambda: len(kube.get(pods)["items"]) == 3)
    play()
    said, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "container site: ImagePullBackOff: Back-off pulling image" in said
    assert "container site: CrashLoopBackOff: back-off 10s; it ended with code 7" in said
    assert "Unschedulable: 0/1 nodes are available" in said


def status(waiting: dict[str, str]) -> dict[str, object]:
    fixed = {"name": "site", "ready": False, "restartCount": 0, "image": "", "imageID": ""}
    return {**fixed, "state": {"waiting": waiting}}


def test_a_namespace_that_cannot_go_is_reported_with_what_holds_it(project: Project, kube: Kube) -> None:
    project.program(
        """
space = core.Namespace("space", metadata={"name": NAMESPACE + "-own"},
                       opts=options(custom_timeouts=CustomTimeouts(delete="10s")))
"""
    )
    project.up()
    held = {"metadata": {"name": "held", "finalizers": ["example.test/hold"]}}
    own = f"/api/v1/namespaces/{project.namespace}-own"
    kube.post(f"{own}/configmaps", held)
    said = project.run("destroy", "--yes", "--skip-preview", fails=True)
    assert f"Namespace {project.namespace}-own is still being deleted after 10 s" in said
    assert "example.test/hold" in said
    assert "space" in project.state(), "it isn't forgotten"
    assert f"Namespace {project.namespace}-own is being deleted" in project.up("--refresh", fails=True)
    kube.patch(f"{own}/configmaps/held", {"metadata": {"finalizers": None}})
    project.run("destroy", "--yes", "--skip-preview")
    assert kube.get(own) is None


def test_an_admission_rule_refuses_in_the_preview_already(project: Project, kube: Kube) -> None:
    label = project.namespace
    rule = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": f"no-{label}"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": label}},
            },
            "validations": [{"expression": "object.metadata.name != 'bad'", "message": "no bad names here"}],
        },
    }
    root = "/apis/admissionregistration.k8s.io/v1"
    kube.post(f"{root}/validatingadmissionpolicies", rule)
    binding = {
        "metadata": {"name": f"no-{label}"},
        "spec": {"policyName": f"no-{label}", "validationActions": ["Deny"]},
    }
    kube.post(f"{root}/validatingadmissionpolicybindings", binding)
    assert wait_until(lambda: refused(kube, label)), "the rule must be in force first"
    project.program('core.ConfigMap("bad", metadata=meta("bad"), opts=options())')
    assert "no bad names here" in project.preview(fails=True)
    assert "no bad names here" in project.up(fails=True)


def refused(kube: Kube, namespace: str) -> bool:
    path = f"{kube.server}/api/v1/namespaces/{namespace}/configmaps"
    answer = kube.session.post(path, json={"metadata": {"name": "bad"}}, params={"dryRun": "All"}, timeout=10)
    return answer.status_code == 422


def test_warnings_of_pod_security_are_shown_in_a_preview(project: Project, kube: Kube) -> None:
    labels = {"pod-security.kubernetes.io/warn": "restricted"}
    kube.patch(f"/api/v1/namespaces/{project.namespace}", {"metadata": {"labels": labels}})
    project.program('site("web")')
    assert 'would violate PodSecurity "restricted' in project.preview()


def test_a_role_that_may_only_look_previews_what_it_can(project: Project, control_plane: ControlPlane) -> None:
    project.kubeconfig = control_plane.kubeconfig("nobody", ("nobodies",))
    project.program('core.ConfigMap("c", metadata=meta("c"), opts=options())')
    assert "not checked" in project.preview()
    assert 'User "nobody" cannot' in project.up(fails=True)


def test_objects_of_a_kind_that_the_same_program_brings(project: Project, kube: Kube) -> None:
    group = f"{project.namespace}.test"
    project.program(
        f"""
schema = {{"type": "object", "x_kubernetes_preserve_unknown_fields": True}}
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apiextensions.v1 import CustomResourceDefinition
kind = CustomResourceDefinition("kind", metadata={{"name": "things.{group}"}}, opts=options(), spec={{
    "group": "{group}", "scope": "Namespaced", "names": {{"kind": "Thing", "plural": "things", "singular": "thing"}},
    "versions": [{{"name": "v1", "served": True, "storage": True, "schema": {{"open_apiv3_schema": schema}}}}]}})
CustomResource("thing", api_version="{group}/v1", kind="Thing", metadata=meta("thing"), spec={{"size": 3}},
               opts=options(depends_on=[kind]))
"""
    )
    project.preview()
    project.up()
    path = f"/apis/{group}/v1/namespaces/{project.namespace}/things/thing"
    assert kube.get(path)["spec"] == {"size": 3}
    project.unchanged()
    kube.patch(path, {"spec": {"size": 4}})
    assert "spec" in project.refresh()
    project.up("--refresh")
    assert kube.get(path)["spec"] == {"size": 3}
    project.run("destroy", "--yes", "--skip-preview")
    assert kube.get(path) is None


def test_a_route_is_awaited_until_its_gateway_takes_it(project: Project, kube: Kube) -> None:
    group = "gateway.networking.k8s.io"
    define_routes(kube, group)
    project.program(
        f"""
from pulumi_kubernetes.apiextensions import CustomResource
spec = {{"parentRefs": [{{"name": "city", "namespace": "city-gateway"}}], "hostnames": ["a.tphcm.test"]}}
CustomResource("route", api_version="{group}/v1alpha2", kind="TLSRoute", metadata=meta("route"), spec=spec,
               opts=options(custom_timeouts=CustomTimeouts("20s", "20s")))
"""
    )
    path = f"/apis/{group}/v1alpha2/namespaces/{project.namespace}/tlsroutes/route"
    player = threading.Thread(target=accept, args=(kube, path, "False", 0.0))
    player.start()
    said = project.up(fails=True)
    player.join()
    assert "gateway city: NotAllowedByListeners: wrong namespace" in said
    player = threading.Thread(target=accept, args=(kube, path, "True", 1.0))
    player.start()
    project.up()
    player.join()
    project.unchanged()


def accept(kube: Kube, path: str, status: str, after: float) -> None:
    """Play the gateway's controller."""
    assert wait_until(lambda: kube.get(path))
    time.sleep(after)
    reason = {"reason": "Accepted" if status == "True" else "NotAllowedByListeners", "message": "wrong namespace"}
    stamp = {"lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1, "status": status, **reason}
    conditions = [{**stamp, "type": name} for name in ("Accepted", "ResolvedRefs")]
    kube.status(path, {"parents": [{"parentRef": {"name": "city"}, "controllerName": "c", "conditions": conditions}]})


def define_routes(kube: Kube, group: str) -> None:
    if kube.get(f"/apis/{group}/v1alpha2"):
        return
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha2", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "TLSRoute", "plural": "tlsroutes", "singular": "tlsroute"}
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": names,
        "versions": [{**version, "subresources": {"status": {}}}],
    }
    notes = {"api-approved.kubernetes.io": "unapproved, for a test"}
    kube.post(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        {"metadata": {"name": f"tlsroutes.{group}", "annotations": notes}, "spec": spec},
    )
    assert wait_until(lambda: kube.get(f"/apis/{group}/v1alpha2"))
