"""What somebody changed beside the program: seen by a refresh, put right, or left to whom it belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.kubernetes.project import Project, kubelet

if TYPE_CHECKING:
    from tests.support.control_plane import Kube

POLICY = """
networking.NetworkPolicy("deny", metadata=meta("deny"), opts=options(), spec={
    "pod_selector": {}, "policy_types": ["Ingress", "Egress"],
    "ingress": [{"from_": [{"pod_selector": {"match_labels": {"app": "web"}}}], "ports": [{"port": 8443}]}],
})
"""


def policies(project: Project) -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{project.namespace}/networkpolicies/deny"


@pytest.mark.parametrize(
    "edit",
    [
        {"ingress": [{}]},
        {"ingress": None},
        {"policyTypes": ["Ingress"]},
        {"egress": [{}]},
        {"ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 8443}]}, {}]},
        {"ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 1}]}]},
        {"podSelector": {"matchLabels": {"nobody": "here"}}},
    ],
    ids=["opened", "removed", "one way", "what the program leaves out", "a rule more", "another port", "other pods"],
)
def test_an_edited_network_policy_is_seen_and_repaired(project: Project, kube: Kube, edit: dict[str, object]) -> None:
    project.program(POLICY)
    project.up()
    project.unchanged()
    before = kube.get(policies(project))["spec"]
    kube.patch(policies(project), {"spec": edit})
    assert "deny" in project.refresh()
    project.run("refresh", "--preview-only", "--expect-no-changes", fails=True)
    project.up("--refresh")
    assert kube.get(policies(project))["spec"] == before
    project.unchanged()


def test_a_deleted_deployment_and_a_scaled_one_are_seen_and_repaired(project: Project, kube: Kube) -> None:
    project.program('site("web"); site("other")')
    path = f"/apis/apps/v1/namespaces/{project.namespace}/deployments"
    with kubelet(kube, project.namespace):
        project.up()
        kube.delete(f"{path}/web")
        kube.patch(f"{path}/other/scale", {"spec": {"replicas": 3}}, manager="kubectl")
        seen = project.refresh()
        assert "web" in seen
        assert "replicas" in seen
        project.up("--refresh")
        assert kube.get(f"{path}/web") is not None
        assert kube.get(f"{path}/other")["spec"]["replicas"] == 1
        project.unchanged()


def test_what_controllers_and_defaults_add_is_no_drift(project: Project, kube: Kube) -> None:
    project.program('site("web", replicas=None)')
    path = f"/apis/apps/v1/namespaces/{project.namespace}/deployments/web"
    with kubelet(kube, project.namespace):
        project.up()
        owned = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"theirs": "x"}}}
        kube.apply(path, {**owned, "spec": {"replicas": 2}}, manager="autoscaler", force=True)
        project.unchanged()
        project.up("--refresh", "--expect-no-changes")
        assert kube.get(path)["spec"]["replicas"] == 2


def test_a_field_of_another_owner_is_named_with_its_owner_and_not_forced(project: Project, kube: Kube) -> None:
    quota = 'core.ResourceQuota("q", metadata=meta("q"), spec={"hard": {"pods": "%s"}}, opts=options())'
    path = f"/api/v1/namespaces/{project.namespace}/resourcequotas/q"
    project.program(quota % 3)
    project.up()
    theirs = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "9"}}}
    kube.apply(path, theirs, manager="quota-operator", force=True)
    assert "pods" in project.refresh(), "it differs from the program: shown"
    said = project.up("--refresh", fails=True)
    assert '.spec.hard.pods is owned by "quota-operator"' in said
    assert "ignore_changes" in said
    assert kube.get(path)["spec"]["hard"]["pods"] == "9"
    project.program(quota % 4)
    assert "quota-operator" in project.preview(fails=True), "a preview says so already"


def test_ignored_changes_leave_a_field_to_its_owner(project: Project, kube: Kube) -> None:
    program = (
        'core.ResourceQuota("q", metadata=meta("q", labels={"v": "%s"}), spec={"hard": {"pods": "3"}},'
        ' opts=options(ignore_changes=["spec.hard.pods"]))'
    )
    path = f"/api/v1/namespaces/{project.namespace}/resourcequotas/q"
    project.program(program % 1)
    project.up()
    theirs = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "9"}}}
    kube.apply(path, theirs, manager="quota-operator", force=True)
    project.program(program % 2)
    project.up("--refresh")
    found = kube.get(path)
    assert (found["spec"]["hard"]["pods"], found["metadata"]["labels"]) == ("9", {"v": "2"})


def test_a_secret_changed_by_hand_is_seen_and_repaired_and_not_shown(project: Project, kube: Kube) -> None:
    project.settings["enable_secret_mutable"] = True
    project.program('core.Secret("s", metadata=meta("s"), string_data={"key": "canary-4711"}, opts=options())')
    project.up()
    path = f"/api/v1/namespaces/{project.namespace}/secrets/s"
    kube.patch(path, {"data": {"key": "Y2FuYXJ5LTA4MTU="}})
    seen = project.refresh()
    assert "stringData" in seen or "update" in seen
    shown = seen + project.up("--refresh")
    assert kube.get(path)["data"] == {"key": "Y2FuYXJ5LTQ3MTE="}
    assert not any(word in shown for word in ("canary-", "Y2FuYXJ5"))


def test_an_object_is_imported_and_then_unchanged(project: Project, kube: Kube) -> None:
    value = {"metadata": {"name": "page", "labels": {"a": "1"}}, "data": {"x": "y"}}
    kube.post(f"/api/v1/namespaces/{project.namespace}/configmaps", value)
    program = (
        'core.ConfigMap("page", metadata=meta("page", labels={"a": "%s"}), data={"x": "y"},'
        ' opts=options(import_=NAMESPACE + "/page"))'
    )
    project.program(program % 1)
    project.up()
    project.program(
        (program % 1).replace(', import_=NAMESPACE + "/page"', "").replace('import_=NAMESPACE + "/page"', "")
    )
    project.unchanged()
    project.program((program % 2).replace('import_=NAMESPACE + "/page"', ""))
    project.up()
    assert kube.get(f"/api/v1/namespaces/{project.namespace}/configmaps/page")["metadata"]["labels"] == {"a": "2"}


def test_a_deployment_made_by_kubectl_is_imported_without_spelling_out_its_defaults(
    project: Project, kube: Kube
) -> None:
    labels = {"app": "web"}
    container = {"name": "site", "image": "site:1", "ports": [{"containerPort": 8443}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    with kubelet(kube, project.namespace):
        kube.post(
            f"/apis/apps/v1/namespaces/{project.namespace}/deployments", {"metadata": {"name": "web"}, "spec": spec}
        )
        program = f"""
spec = {{"replicas": 1, "selector": {{"match_labels": {{"app": "web"}}}}, "template": {{
    "metadata": {{"labels": {{"app": "web"}}}},
    "spec": {{"containers": [{{"name": "site", "image": "site:1", "ports": [{{"container_port": 8443}}]}}]}}}}}}
apps.Deployment("web", metadata=meta("web"), spec=spec, opts=options(import_="{project.namespace}/web"))
"""
        project.program(program)
        project.up()
        project.program(program.replace(f'import_="{project.namespace}/web"', ""))
        project.unchanged()


def test_an_object_that_somebody_made_is_not_taken(project: Project, kube: Kube) -> None:
    kube.post(f"/api/v1/namespaces/{project.namespace}/configmaps", {"metadata": {"name": "page"}, "data": {"x": "y"}})
    project.program('core.ConfigMap("page", metadata=meta("page"), data={"x": "z"}, opts=options())')
    said = project.up(fails=True)
    assert f"ConfigMap {project.namespace}/page exists already" in said
    assert "pulumi import" in said
    assert kube.get(f"/api/v1/namespaces/{project.namespace}/configmaps/page")["data"] == {"x": "y"}


def test_the_account_that_a_controller_makes_is_taken_over_when_the_provider_is_told_to(
    project: Project, kube: Kube
) -> None:
    project.settings["upsert_existing_objects"] = True
    project.program(
        """
core.ServiceAccount("default", metadata=meta("default"), automount_service_account_token=False, opts=options())
"""
    )
    project.up()
    found = kube.get(f"/api/v1/namespaces/{project.namespace}/serviceaccounts/default")
    assert found["automountServiceAccountToken"] is False
    project.unchanged()
