"""An object is called unchanged only with proof; machines are looked at in one run without mixing their parts."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from donvi.backends.machines import PlaybookRun
from donvi.fleet.drift import cluster
from donvi.fleet.drift.machines import together
from donvi.fleet.drift.state import Resource

INPUTS = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "unit-1-public"}}
OBJECT: dict[str, Any] = {
    **INPUTS,
    "metadata": {
        **INPUTS["metadata"],  # type: ignore[dict-item]
        "uid": "u1",
        "generation": 1,
        "resourceVersion": "10",
        "labels": {"donvi/unit": "1"},
        "managedFields": [
            {"manager": "pulumi-kubernetes-1", "operation": "Apply", "fieldsV1": {"f:spec": {}}, "time": "t1"},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "time": "t1"},
        ],
    },
    "spec": {"replicas": 2},
    "status": {"readyReplicas": 2},
}
DEPLOYMENT = Resource(
    urn="urn:pulumi:s::donvi::kubernetes:apps/v1:Deployment::web",
    type="kubernetes:apps/v1:Deployment",
    id="unit-1-public/web",
    custom=True,
    inputs=INPUTS,
    outputs={**OBJECT, "__inputs": INPUTS, "__fieldManager": "pulumi-kubernetes-1"},
)


class Held:
    """What a list would hold."""

    def __init__(self, live: dict[str, Any] | None) -> None:
        self.live = live

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        assert (api_version, kind, namespace, name) == ("apps/v1", "Deployment", "unit-1-public", "web")
        return self.live


def edited(**edits: Any) -> dict[str, Any]:
    live = copy.deepcopy(OBJECT)
    for path, value in edits.items():
        *above, last = path.split("__")
        place = live
        for name in above:
            place = place[name]
        place[last] = value
    return live


def proven(live: dict[str, Any] | None, resource: Resource = DEPLOYMENT) -> bool:
    return cluster.unchanged(resource, Held(live))  # type: ignore[arg-type]


def test_an_object_whose_status_alone_moved_on_needs_no_question() -> None:
    fields = copy.deepcopy(OBJECT["metadata"]["managedFields"])
    fields[1]["time"] = "t2"
    assert proven(edited(status={"readyReplicas": 1}, metadata__resourceVersion="99", metadata__managedFields=fields))


@pytest.mark.parametrize(
    "edits",
    [
        {"spec": {"replicas": 1}},
        {"metadata__labels": {}},
        {"metadata__uid": "u2"},
        {"metadata__generation": 2},
        {"metadata__deletionTimestamp": "t"},
        {"metadata__managedFields": [*OBJECT["metadata"]["managedFields"], {"manager": "kubectl-edit"}]},
        {"metadata__managedFields": OBJECT["metadata"]["managedFields"][1:]},
        {"data": {}},
    ],
)
def test_whatever_else_differs_is_a_question_for_the_plugin(edits: dict[str, Any]) -> None:
    assert not proven(edited(**edits))


def test_an_object_that_no_list_holds_is_a_question_too() -> None:
    assert not proven(None)


def test_a_record_that_is_not_of_the_declared_inputs_proves_nothing() -> None:
    import msgspec

    other = msgspec.structs.replace(DEPLOYMENT, inputs={**INPUTS, "spec": {"replicas": 3}})
    assert not proven(edited(), other)


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("kubernetes:core/v1:Namespace", ("v1", "Namespace")),
        ("kubernetes:apps/v1:Deployment", ("apps/v1", "Deployment")),
        ("kubernetes:gateway.networking.k8s.io/v1alpha2:TLSRoute", ("gateway.networking.k8s.io/v1alpha2", "TLSRoute")),
    ],
)
def test_a_type_token_names_the_kind_of_the_api(token: str, kind: tuple[str, str]) -> None:
    assert cluster.api_kind(token) == kind


@pytest.mark.parametrize(
    "token", ["kubernetes:helm.sh/v3:Release", "kubernetes:yaml:ConfigFile", "kubernetes:core/v1:NamespacePatch"]
)
def test_what_is_no_object_is_left_to_a_refresh(token: str) -> None:
    assert not cluster.is_object(token)


def run(machine: str, unit: str) -> PlaybookRun:
    return PlaybookRun(Path("router.yml"), "routers", (machine,), {"donvi_unit": unit})


def test_parts_of_one_machine_and_other_machines_go_in_one_run_with_their_own_variables() -> None:
    specs = [run("core", "platform"), run("core", "26506"), run("gw-26740", "26740")]
    joined, names = together(specs)
    assert joined.machines == tuple(names)
    assert len(set(names)) == 3
    assert [joined.place(name) for name in names] == ["core", "core", "gw-26740"]
    assert [joined.each[name]["donvi_unit"] for name in names] == ["platform", "26506", "26740"]
    assert joined.variables == {}
