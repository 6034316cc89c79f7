"""A real API server takes what `donvi operator` writes, and refuses what the operator would stumble over."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from donvi.fleet.operator import Choices, Places, bundle
from donvi.fleet.select import Selection, choose
from donvi.registry import load_city
from tests.support.control_plane import running
from tests.support.operator_crd import definition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.fleet.operator import Bundle
    from tests.support.control_plane import Kube

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
STACKS = "/apis/pulumi.com/v1/namespaces/donvi/stacks"
PLURALS = {
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    "ClusterRoleBinding": "clusterrolebindings",
    "NetworkPolicy": "networkpolicies",
    "ConfigMap": "configmaps",
    "Stack": "stacks",
}
DEPLOYMENT = {
    "city_domain": "tphcm.test",
    "vault": {"address": "https://10.0.1.10:8200"},
    "directory": {"url": "ldaps://10.0.1.10:636"},
    "mail": {"smtp": "10.0.1.10:25", "submission": "", "imap": "", "doveadm": ""},
    "dns": {"server": "10.0.1.10"},
    "cluster": {"server": "https://10.0.4.30:6443", "ca": "ROOT", "gateway": "10.0.4.30:443"},
}
SERVED_SECONDS = 30


@pytest.fixture(scope="module")
def made() -> Bundle:
    city = load_city()
    places = Places(deployment=json.dumps(DEPLOYMENT), ca="ROOT\n", known_hosts="@cert-authority * KEY\n")
    choices = Choices(image="registry.test/donvi:2026.11", pilots_first=True)
    return bundle(city, choose(city, Selection(everything=True)), places, choices)


@pytest.fixture(scope="module")
def cluster(made: Bundle) -> Iterator[Kube]:
    """An API server that knows Stacks and has what all of them share."""
    with running() as plane:
        client = plane.client()
        client.post(CRDS, definition())
        _wait_served(client)
        for manifest in made.shared:
            _apply(client, manifest)
        yield client


def test_the_server_takes_every_stack_to_the_letter(cluster: Kube, made: Bundle) -> None:
    for stack, manifest in made.stacks.items():
        taken = _apply(cluster, manifest, dry=True)
        assert taken["spec"] == manifest["spec"], f"{stack} was changed by the server"


def test_what_all_stacks_share_is_there(cluster: Kube, made: Bundle) -> None:
    for manifest in made.shared:
        assert cluster.get(_path(manifest)), manifest["kind"]


def test_a_field_the_operator_does_not_know_is_refused(cluster: Kube, made: Bundle) -> None:
    manifest = made.stacks["platform"]
    wrong = {**manifest, "spec": {**manifest["spec"], "resyncFrequencyMinutes": 1}}
    assert "resyncFrequencyMinutes" in _refused(cluster, wrong, status=500)  # so the server says it to an apply


def test_a_name_longer_than_ours_ever_are_is_refused(cluster: Kube, made: Bundle) -> None:
    manifest = made.stacks["platform"]
    wrong = {**manifest, "metadata": {**manifest["metadata"], "name": "u26506-" + "a" * 36}}
    assert "42 characters" in _refused(cluster, wrong, status=422)


def _wait_served(client: Kube) -> None:
    end = time.monotonic() + SERVED_SECONDS
    while time.monotonic() < end:
        if client.session.get(f"{client.server}/apis/pulumi.com/v1/stacks", timeout=30).status_code == 200:
            return
        time.sleep(0.1)
    pytest.fail(f"the API server didn't serve Stacks in {SERVED_SECONDS} s")


def _path(manifest: dict[str, Any]) -> str:
    version, metadata = manifest["apiVersion"], manifest["metadata"]
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    inside = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{root}{inside}/{PLURALS[manifest['kind']]}/{metadata['name']}"


def _apply(client: Kube, manifest: dict[str, Any], *, dry: bool = False, fails: int = 0) -> Any:
    params = {"fieldManager": "kubectl", "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry else {})
    headers = {"Content-Type": "application/apply-patch+yaml"}
    return client.request(
        "PATCH", _path(manifest), fails=fails, data=json.dumps(manifest), headers=headers, params=params
    )


def _refused(client: Kube, manifest: dict[str, Any], *, status: int) -> str:
    return str(_apply(client, manifest, dry=True, fails=status)["message"])
