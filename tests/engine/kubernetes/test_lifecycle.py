"""Objects are made, left alone, changed, replaced, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine.kubernetes.project import Project, kubelet

if TYPE_CHECKING:
    from tests.support.control_plane import Kube

SITE = """
labels = {"donvi/unit": "26506"}
space = core.Namespace("space", metadata={"name": NAMESPACE + "-own", "labels": labels}, opts=options())
page = core.ConfigMap("page", metadata={"name": "page", "namespace": space.metadata.name},
                      data={"index.html": "xin chào"}, opts=options())
policy = networking.NetworkPolicy("deny", metadata={"name": "deny", "namespace": space.metadata.name},
                                  spec={"pod_selector": {}, "policy_types": ["Ingress", "Egress"]}, opts=options())
quota = core.ResourceQuota("quota", metadata={"name": "quota", "namespace": space.metadata.name},
                           spec={"hard": {"limits.cpu": "2", "pods": "10", "limits.memory": "1024Mi"}}, opts=options())
"""


def test_what_was_made_is_seen_unchanged(project: Project, kube: Kube) -> None:
    project.program(SITE)
    project.up()
    made = kube.get(f"/api/v1/namespaces/{project.namespace}-own/configmaps/page")
    assert made["data"] == {"index.html": "xin chào"}
    project.up("--expect-no-changes")
    project.unchanged()


def test_a_preview_writes_nothing(project: Project, kube: Kube) -> None:
    project.program(SITE)
    project.preview()
    assert kube.get(f"/api/v1/namespaces/{project.namespace}-own") is None
    project.program('core.ConfigMap("page", metadata=meta("page"), data={"a": "b"}, opts=options())')
    project.preview()
    assert kube.get(f"/api/v1/namespaces/{project.namespace}/configmaps/page") is None


def test_a_change_is_shown_by_its_path_and_made_in_place(project: Project, kube: Kube) -> None:
    quota = 'core.ResourceQuota("q", metadata=meta("q"), spec={"hard": {"pods": "%s"}}, opts=options())'
    project.program(quota % 3)
    project.up()
    before = kube.get(f"/api/v1/namespaces/{project.namespace}/resourcequotas/q")
    project.program(quota % 4)
    step = project.steps()["q"]
    assert step["op"] == "update"
    assert step["detailedDiff"] == {"spec.hard.pods": {"kind": "update", "inputDiff": True}}
    project.up()
    after = kube.get(f"/api/v1/namespaces/{project.namespace}/resourcequotas/q")
    assert (after["spec"]["hard"]["pods"], after["metadata"]["uid"]) == ("4", before["metadata"]["uid"])


def test_another_spelling_of_the_same_quantity_is_no_change(project: Project) -> None:
    quota = 'core.ResourceQuota("q", metadata=meta("q"), spec={"hard": {"limits.cpu": "%s"}}, opts=options())'
    project.program(quota % "0.5")
    project.up()
    project.program(quota % "500m")
    project.run("preview", "--expect-no-changes")
    project.up("--expect-no-changes")


def test_a_field_taken_out_of_the_program_is_let_go(project: Project, kube: Kube) -> None:
    project.program('core.ConfigMap("c", metadata=meta("c", labels={"a": "1", "b": "2"}), opts=options())')
    project.up()
    project.program('core.ConfigMap("c", metadata=meta("c", labels={"a": "1"}), opts=options())')
    assert "metadata.labels.b" in project.steps()["c"]["detailedDiff"]
    project.up()
    assert kube.get(f"/api/v1/namespaces/{project.namespace}/configmaps/c")["metadata"]["labels"] == {"a": "1"}


def test_an_immutable_field_replaces_the_object_and_the_old_one_goes_first(project: Project, kube: Kube) -> None:
    service = 'core.Service("s", metadata=meta("s"), spec={"cluster_ip": %s, "ports": [{"port": 443}]}, opts=options())'
    project.program(service % '"None"')
    project.up()
    before = kube.get(f"/api/v1/namespaces/{project.namespace}/services/s")
    project.program(service % "None")
    assert project.steps()["s"]["op"] in {"replace", "create-replacement", "delete-replaced"}
    project.up()
    after = kube.get(f"/api/v1/namespaces/{project.namespace}/services/s")
    assert after["spec"]["clusterIP"] != "None"
    assert after["metadata"]["uid"] != before["metadata"]["uid"]


def test_what_only_the_server_knows_to_be_immutable_replaces_too(project: Project, kube: Kube) -> None:
    binding = """core.ConfigMap("c", metadata=meta("c"), immutable=True, data={"a": "%s"}, opts=options())"""
    project.settings["enable_config_map_mutable"] = True
    project.program(binding % "1")
    project.up()
    project.program(binding % "2")
    project.up()
    assert kube.get(f"/api/v1/namespaces/{project.namespace}/configmaps/c")["data"] == {"a": "2"}
    project.unchanged()


def test_an_object_without_a_name_gets_one_and_keeps_it(project: Project, kube: Kube) -> None:
    unnamed = 'core.ConfigMap("page", metadata={"namespace": NAMESPACE}, data={"a": "%s"}, opts=options())'
    project.program(unnamed % 1)
    project.up()
    (first,) = named(kube, project)
    assert first.startswith("page-")
    project.unchanged()
    project.program(unnamed % 2)
    project.up()
    (second,) = named(kube, project)
    assert second != first, "a ConfigMap's data replaces it, the new one first, as with the official plugin"


def named(kube: Kube, project: Project) -> list[str]:
    items = kube.get(f"/api/v1/namespaces/{project.namespace}/configmaps")["items"]
    return [item["metadata"]["name"] for item in items if item["metadata"]["name"] != "kube-root-ca.crt"]


def test_everything_is_removed_and_what_is_gone_already_is_fine(project: Project, kube: Kube) -> None:
    project.program(SITE)
    project.up()
    kube.delete(f"/api/v1/namespaces/{project.namespace}-own/configmaps/page")
    project.run("destroy", "--yes", "--skip-preview")
    assert kube.get(f"/api/v1/namespaces/{project.namespace}-own") is None


def test_a_deployment_is_awaited_until_its_pods_are_ready(project: Project, kube: Kube) -> None:
    project.program('pulumi.export("ready", site("web", replicas=2).status.ready_replicas)')
    with kubelet(kube, project.namespace):
        project.up()
        assert project.run("stack", "output", "ready").strip() == "2"
        project.unchanged()
        project.program('pulumi.export("ready", site("web", replicas=1).status.ready_replicas)')
        project.up()
        assert project.run("stack", "output", "ready").strip() == "1"


def test_values_that_are_known_only_later_are_previewed_and_then_right(project: Project, kube: Kube) -> None:
    project.program(
        """
first = core.ConfigMap("first", metadata={"namespace": NAMESPACE}, data={"a": "1"}, opts=options())
core.ConfigMap("second", metadata=meta("second", labels={"uid": first.metadata.uid}), data={"of": first.metadata.name},
               opts=options())
"""
    )
    assert project.steps()["second"]["op"] == "create"
    project.up()
    second = kube.get(f"/api/v1/namespaces/{project.namespace}/configmaps/second")
    assert second["data"]["of"].startswith("first-")
    assert second["metadata"]["labels"]["uid"]
    project.unchanged()


def test_a_secret_is_a_secret_although_the_program_did_not_say_so(project: Project, kube: Kube) -> None:
    project.program('core.Secret("s", metadata=meta("s"), string_data={"key": "canary-4711"}, opts=options())')
    shown = project.preview() + project.up()
    assert kube.get(f"/api/v1/namespaces/{project.namespace}/secrets/s")["data"] == {"key": "Y2FuYXJ5LTQ3MTE="}
    state = str(project.state())
    for word in ("canary-4711", "Y2FuYXJ5LTQ3MTE="):
        assert word not in shown
        assert word not in state
    project.unchanged()


def test_a_service_is_awaited_until_a_pod_behind_it_is_ready(project: Project, kube: Kube) -> None:
    service = """
spec = {"selector": {"app": "web"}, "ports": [{"name": "https", "port": 443, "target_port": 8443}]}
core.Service("web", metadata=meta("web"), spec=spec, opts=options(custom_timeouts=CustomTimeouts("%ds", "%ds")))
"""
    project.program(service % (3, 3))
    assert "no pod behind it is ready" in project.up(fails=True)
    project.program("site('web')" + service % (60, 60))
    with kubelet(kube, project.namespace):
        project.up()
        project.unchanged()


def test_a_patch_adds_to_an_object_of_somebody_else_and_lets_go_of_it(project: Project, kube: Kube) -> None:
    path = f"/api/v1/namespaces/{project.namespace}"
    project.program(
        'core.NamespacePatch("p", metadata={"name": NAMESPACE, "labels": {"donvi/unit": "26506"}}, opts=options())'
    )
    project.up()
    assert kube.get(path)["metadata"]["labels"]["donvi/unit"] == "26506"
    project.unchanged()
    project.run("destroy", "--yes", "--skip-preview")
    assert "donvi/unit" not in kube.get(path)["metadata"]["labels"]
