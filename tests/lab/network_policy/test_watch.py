"""What the enforcer knows is what a real API has, through edits, deletions and an API server that was away."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from lab.network_policy.api import Api, ApiError
from lab.network_policy.model import read_pod, read_policy
from lab.network_policy.watch import Watch
from lab.shell import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from lab.network_policy.model import Pod, Policy
    from tests.support.control_plane import ControlPlane, Kube

SECONDS = 20.0
POLICIES = "/apis/networking.k8s.io/v1/networkpolicies"
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/enforcer"


@pytest.fixture
def api(control_plane: ControlPlane, tmp_path: Path) -> Api:
    """The API as the enforcer asks it: with a client certificate that may list and watch, nothing else."""
    admin = control_plane.client()
    rules = [
        {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["list", "watch"]},
    ]
    group = "rbac.authorization.k8s.io"
    admin.apply(ROLE, _object("ClusterRole", f"{group}/v1", rules=rules), manager="test")
    binding = _object(
        "ClusterRoleBinding",
        f"{group}/v1",
        roleRef={"apiGroup": group, "kind": "ClusterRole", "name": "enforcer"},
        subjects=[{"apiGroup": group, "kind": "User", "name": "enforcer"}],
    )
    admin.apply(ROLE.replace("roles", "rolebindings"), binding, manager="test")
    for name, text in zip(("crt", "key"), control_plane.signer.pair("enforcer"), strict=True):
        (tmp_path / name).write_text(text)
    (tmp_path / "ca").write_text(control_plane.signer.pem)
    return Api(control_plane.server, str(tmp_path / "ca"), str(tmp_path / "crt"), str(tmp_path / "key"))


@pytest.fixture
def admin(control_plane: ControlPlane) -> Kube:
    """Somebody who makes the objects, in a namespace of their own."""
    client = control_plane.client()
    if client.get("/api/v1/namespaces/watched") is None:
        client.post("/api/v1/namespaces", {"metadata": {"name": "watched"}})
    return client


def _object(kind: str, version: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": version, "metadata": {"name": "enforcer"}, **fields}


def policy(name: str, port: int) -> dict[str, Any]:
    spec = {"podSelector": {}, "ingress": [{"ports": [{"port": port}]}]}
    return {"metadata": {"name": name}, "spec": spec}


def test_policies_are_followed_from_making_to_deletion(api: Api, admin: Kube) -> None:
    changes = threading.Event()
    watch: Watch[Policy] = Watch(api, POLICIES, read_policy, changes.set)
    path = "/apis/networking.k8s.io/v1/namespaces/watched/networkpolicies"
    admin.post(path, policy("before", 1))
    watch.start()
    assert watch.listed.wait(SECONDS)
    assert "watched/before" in watch.current()[0]

    admin.post(path, policy("after", 2))
    assert wait_until(lambda: "watched/after" in watch.current()[0], SECONDS)
    made = admin.patch(f"{path}/after", {"spec": {"ingress": [{"ports": [{"port": 3}]}]}})
    assert wait_until(lambda: watch.current()[1]["watched/after"] == made["metadata"]["resourceVersion"], SECONDS)
    changes.clear()
    admin.delete(f"{path}/before")
    assert wait_until(lambda: "watched/before" not in watch.current()[0], SECONDS)
    assert changes.wait(SECONDS)
    admin.delete(f"{path}/after")


def test_a_pod_counts_from_its_address_to_its_end(api: Api, admin: Kube) -> None:
    watch: Watch[Pod] = Watch(api, "/api/v1/pods", read_pod, lambda: None)
    watch.start()
    path = "/api/v1/namespaces/watched/pods"
    if admin.get("/api/v1/namespaces/watched/serviceaccounts/default") is None:
        admin.post("/api/v1/namespaces/watched/serviceaccounts", {"metadata": {"name": "default"}})
    admin.post(path, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}})
    assert watch.listed.wait(SECONDS)
    assert "watched/p" not in watch.current()[0]

    admin.status(f"{path}/p", {"phase": "Running", "podIP": "10.0.64.9", "podIPs": [{"ip": "10.0.64.9"}]})
    assert wait_until(lambda: "watched/p" in watch.current()[0], SECONDS)
    admin.status(f"{path}/p", {"phase": "Succeeded"})
    assert wait_until(lambda: "watched/p" not in watch.current()[0], SECONDS)
    admin.session.delete(f"{admin.server}{path}/p", params={"gracePeriodSeconds": "0"}, timeout=30)


def test_an_api_server_that_was_away_is_listed_again(api: Api, admin: Kube, control_plane: ControlPlane) -> None:
    watch: Watch[Policy] = Watch(api, POLICIES, read_policy, lambda: None)
    watch.start()
    assert watch.listed.wait(SECONDS)
    control_plane.stop()
    control_plane.start_api()
    path = "/apis/networking.k8s.io/v1/namespaces/watched/networkpolicies"
    admin.post(path, policy("later", 4))
    assert wait_until(lambda: "watched/later" in watch.current()[0], SECONDS)
    admin.delete(f"{path}/later")
    assert wait_until(lambda: "watched/later" not in watch.current()[0], SECONDS)


def test_it_may_read_nothing_else(api: Api) -> None:
    with pytest.raises(ApiError, match="403"):
        api.list("/api/v1/secrets")
