"""A unit's apps under the real engine: both providers, a real Vault, a real API server whose pods a test plays."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from donvi.backends.vault import PkiRoleSpec
from donvi.deployment import ClusterPlace
from donvi.registry import load_city
from donvi.tenancy import describe
from tests.engine.kubernetes.project import Project, kubelet, wait_until
from tests.engine.project import ROOT
from tests.support.control_plane import ControlPlane
from tests.support.fixtures import deployment, own_vault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.tenancy.app_model import App
    from tests.support.control_plane import Kube
    from tests.support.vault_server import VaultServer

__all__ = ["own_vault"]

SPACE = "unit-26506-public"
NODE = "played"
CORE = f"/api/v1/namespaces/{SPACE}"
PODS = f"/apis/apps/v1/namespaces/{SPACE}/deployments/web-portal"
POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{SPACE}/networkpolicies"
ROUTES = f"/apis/gateway.networking.k8s.io/v1alpha2/namespaces/{SPACE}/tlsroutes"
RBAC = "/apis/rbac.authorization.k8s.io/v1"

PROGRAM = """
import os
import sys

sys.path.insert(0, {root!r})
import pulumi

from components.apps import Apps, AppsConfig
from donvi.registry import load_city
from donvi.tenancy import describe
from stacks.program import cluster_options

city = load_city()
tenancy = describe(city, "26506")
with open(os.environ["DONVI_DEPLOYMENT"]) as file:
    text = pulumi.Output.from_input(file.read())
config = AppsConfig("26506", tenancy.namespaces, tenancy.apps)
apps = Apps("apps", config, cluster_options(city, text))
pulumi.export("versions", apps.versions)
"""

ROUTE_CRD = {
    "metadata": {
        "name": "tlsroutes.gateway.networking.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/2"},
    },
    "spec": {
        "group": "gateway.networking.k8s.io",
        "scope": "Namespaced",
        "names": {"kind": "TLSRoute", "plural": "tlsroutes", "singular": "tlsroute", "listKind": "TLSRouteList"},
        "versions": [
            {
                "name": "v1alpha2",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            name: {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                            for name in ("spec", "status")
                        },
                    }
                },
                "subresources": {"status": {}},
            }
        ],
    },
}


@dataclass
class Trusting(ControlPlane):
    """Lets in whom Vault's authority for the cluster signed, beside its own."""

    authority: str = ""

    def _written(self, name: str, text: str) -> Path:
        return super()._written(name, text + self.authority if name == "ca.crt" else text)


@dataclass
class Stack(Project):
    """The program of a unit's apps, logged in as an operator is: by ``donvi cluster credential``."""

    def __post_init__(self) -> None:
        (self.folder / "state").mkdir(parents=True, exist_ok=True)
        plugin = ROOT / "donvi/provider/plugin"
        (self.folder / "Pulumi.yaml").write_text(
            f"name: test\nruntime: python\nplugins:\n  providers:\n    - name: donvi\n      path: {plugin}\n",
            encoding="utf-8",
        )
        (self.folder / "__main__.py").write_text(PROGRAM.format(root=str(ROOT)), encoding="utf-8")


@pytest.fixture(scope="module")
def plane(own_vault: VaultServer) -> Iterator[ControlPlane]:
    folder = Path(tempfile.mkdtemp(prefix="control-plane-", dir="/dev/shm"))
    authority = own_vault.root.get("pki-cluster/cert/ca")["certificate"].strip() + "\n"
    made = Trusting(folder, authority=authority)
    try:
        made.start(controllers=True)
        admin = made.client()
        admin.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", ROUTE_CRD)
        group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "donvi:apply"}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        binding = {"metadata": {"name": "donvi-apply"}, "subjects": [group], "roleRef": role}
        admin.post(f"{RBAC}/clusterrolebindings", binding)
        admin.post(f"{RBAC}/clusterroles", {"metadata": {"name": "donvi-unit-reader"}, "rules": []})
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def kube(plane: ControlPlane) -> Kube:
    return plane.client()


@pytest.fixture(scope="module")
def app() -> App:
    (found,) = describe(load_city(), "26506").apps
    return found


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, plane: ControlPlane, own_vault: VaultServer, app: App
) -> Iterator[Stack]:
    """The apps of one unit, up; a test that damages something repairs it."""
    folder = tmp_path_factory.mktemp("apps")
    place = ClusterPlace(server=plane.server, ca=plane.signer.pem, gateway="127.0.0.1:443")
    text = msgspec.json.encode(msgspec.structs.replace(deployment(vault=own_vault.address), cluster=place))
    (folder / "deployment.json").write_bytes(text)
    own_vault.root.post(
        "pki-cluster/roles/operator-apply",
        {"allowed_domains": "donvi-apply", "allow_bare_domains": True, "organization": "donvi:apply"}
        | {"use_csr_common_name": False, "key_type": "ec", "client_flag": True, "server_flag": False, "max_ttl": "1h"},
    )
    spec = app.certificate
    role = PkiRoleSpec(
        allowed_domains=spec.dns_names, allowed_uris=spec.uris, client=False, server=True, max_ttl_hours=spec.ttl_hours
    )
    own_vault.root.pki_role_write(spec.mount, spec.role, role)
    variables = {
        "DONVI_DEPLOYMENT": str(folder / "deployment.json"),
        "VAULT_ADDR": own_vault.address,
        "VAULT_TOKEN": own_vault.token("apply"),
        "VAULT_CACERT": own_vault.ca_file,
    }
    made = Stack(folder, "", "", variables=variables)
    made.init()
    plane.client().post("/api/v1/nodes", {"metadata": {"name": NODE}})
    with kubelet(plane.client(), SPACE), scheduler_and_gateway(plane.client()):
        made.up()
        yield made


def taken_by_gateway(kube: Kube, route: dict[str, Any]) -> None:
    generation = route["metadata"]["generation"]
    conditions = [
        {"type": name, "status": "True", "reason": name, "observedGeneration": generation}
        for name in ("Accepted", "ResolvedRefs")
    ]
    parent = {"controllerName": "test/gateway", "parentRef": route["spec"]["parentRefs"][0], "conditions": conditions}
    if route.get("status") != {"parents": [parent]}:
        kube.session.patch(
            f"{kube.server}{ROUTES}/{route['metadata']['name']}/status",
            data=json.dumps({"status": {"parents": [parent]}}),
            headers={"Content-Type": "application/merge-patch+json"},
            timeout=30,
        )


@contextmanager
def scheduler_and_gateway(kube: Kube) -> Iterator[None]:
    """Give every ready pod of the namespace a node meanwhile, and take every route."""
    stop = threading.Event()

    def play() -> None:
        while not stop.wait(0.1):
            for pod in (kube.get(f"{CORE}/pods") or {"items": []})["items"]:
                if "nodeName" not in pod["spec"] and "podIP" in pod["status"]:
                    name = pod["metadata"]["name"]
                    body = {"metadata": {"name": name}, "target": {"kind": "Node", "name": NODE}}
                    kube.session.post(f"{kube.server}{CORE}/pods/{name}/binding", json=body, timeout=30)
            for route in (kube.get(ROUTES) or {"items": []})["items"]:
                taken_by_gateway(kube, route)

    player = threading.Thread(target=play, daemon=True)
    player.start()
    try:
        yield
    finally:
        stop.set()
        player.join()


def site(kube: Kube) -> Any:
    return kube.get(PODS)


def test_up_makes_everything_ready_and_a_second_one_changes_nothing(stack: Stack, kube: Kube) -> None:
    assert site(kube)["status"]["readyReplicas"] == 2
    assert kube.get(f"{CORE}/serviceaccounts/default")["automountServiceAccountToken"] is False
    assert {item["metadata"]["name"] for item in kube.get(POLICIES)["items"]} == {
        "default-deny", "dns", "web-portal-gateway"
    }  # fmt: skip
    assert kube.get(f"{CORE}/secrets/web-portal-tls")["type"] == "kubernetes.io/tls"
    assert kube.get(f"{ROUTES}/web-portal")["spec"]["hostnames"] == ["www.vung-tau.tphcm.test"]
    stack.unchanged()


@pytest.mark.usefixtures("stack")
def test_pods_obey_pod_security_restricted_and_hold_no_token(kube: Kube) -> None:
    pods = kube.get(f"{CORE}/pods")["items"]
    assert pods, "the namespace enforces `restricted`, so the API server accepted them"
    for pod in pods:
        assert not [volume for volume in pod["spec"]["volumes"] if "projected" in volume], "no token is mounted"
        assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_no_private_key_is_in_state_preview_or_log(stack: Stack, kube: Kube) -> None:
    said = stack.up("--logtostderr", "-v=9")
    key = kube.get(f"{CORE}/secrets/web-portal-tls")["data"]["tls.key"]
    texts = {
        "state": stack.run("stack", "export", "--show-secrets"),
        "preview": stack.preview(),
        "refresh": stack.refresh(),
        "log": said,
        "files": "".join(
            file.read_text(encoding="utf-8", errors="replace")
            for file in stack.folder.rglob("*")
            if file.is_file() and file.suffix in {".json", ".bak", ".yaml", ".attrs"}
        ),
    }
    for place, text in texts.items():
        assert "PRIVATE KEY" not in text, place
        assert key[60:100] not in text, place


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (lambda kube: kube.delete(PODS), "web-portal"),
        (lambda kube: kube.patch(f"{PODS}/scale", {"spec": {"replicas": 1}}, manager="kubectl"), "web-portal"),
        (lambda kube: kube.patch(f"{POLICIES}/default-deny", {"spec": {"ingress": [{}]}}), "default-deny"),
        (lambda kube: kube.patch(f"{POLICIES}/dns", {"spec": {"egress": [{}]}}), "dns"),
    ],
    ids=["deployment deleted", "scaled", "everything let in", "everything let out"],
)
def test_what_somebody_did_by_hand_is_seen_and_repaired(stack: Stack, kube: Kube, damage: Any, name: str) -> None:
    before = stack.run("stack", "output", "versions")
    damage(kube)
    assert name in stack.refresh()
    assert name in stack.run("preview", "--refresh", "--diff")
    stack.up("--refresh")
    assert site(kube)["spec"]["replicas"] == 2
    assert site(kube)["status"]["readyReplicas"] == 2
    assert "ingress" not in kube.get(f"{POLICIES}/default-deny")["spec"]
    assert len(kube.get(f"{POLICIES}/dns")["spec"]["egress"][0]["to"]) == 1
    assert kube.get(f"{CORE}/secrets/web-portal-tls") is not None
    assert stack.run("stack", "output", "versions") != before, "the verification asks again"
    stack.unchanged()


def test_a_deleted_secret_gets_a_new_key_and_the_old_certificate_is_revoked(
    stack: Stack, kube: Kube, own_vault: VaultServer
) -> None:
    before = stack.state()[f"{SPACE}/web-portal-tls"]["outputs"]
    kube.delete(f"{CORE}/secrets/web-portal-tls")
    assert f"Secret {SPACE}/web-portal-tls is missing" in stack.refresh()
    stack.up("--refresh")
    after = stack.state()[f"{SPACE}/web-portal-tls"]["outputs"]
    assert kube.get(f"{CORE}/secrets/web-portal-tls") is not None
    assert after["publicKey"] != before["publicKey"]
    assert after["changedAt"] > before["changedAt"], "the verification asks again"
    assert before["serial"] in own_vault.root.pki_revoked("pki-web")
    stack.unchanged()


def test_a_field_that_another_manager_holds_is_reported_and_not_taken(stack: Stack, kube: Kube) -> None:
    wanted = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web-portal", "namespace": SPACE}}
    path = f"{CORE}/services/web-portal"
    wanted["metadata"]["labels"] = {"donvi/system": "something-else"}  # type: ignore[index]
    kube.apply(path, wanted, manager="mesh", force=True)
    told = stack.up("--refresh", fails=True)
    assert "mesh" in told
    assert kube.get(path)["metadata"]["labels"]["donvi/system"] == "something-else"
    kube.apply(path, {**wanted, "metadata": {"name": "web-portal", "namespace": SPACE}}, manager="mesh")
    stack.up("--refresh")
    assert kube.get(path)["metadata"]["labels"]["donvi/system"] == "web-portal"
    stack.unchanged()


def test_a_namespace_deleted_by_hand_comes_back_with_everything_in_it(stack: Stack, kube: Kube) -> None:
    kube.delete(f"/api/v1/namespaces/{SPACE}")
    assert wait_until(lambda: kube.get(f"/api/v1/namespaces/{SPACE}") is None, 60)
    stack.up("--refresh")
    assert site(kube)["status"]["readyReplicas"] == 2
    stack.unchanged()


def test_destroy_leaves_nothing_and_revokes(stack: Stack, kube: Kube, own_vault: VaultServer) -> None:
    serial = stack.state()[f"{SPACE}/web-portal-tls"]["outputs"]["serial"]
    assert serial not in own_vault.root.pki_revoked("pki-web")
    stack.run("destroy", "--yes", "--skip-preview")
    assert kube.get(f"/api/v1/namespaces/{SPACE}") is None
    assert serial in own_vault.root.pki_revoked("pki-web")
    assert json.loads(stack.run("stack", "export"))["deployment"].get("resources", []) == []
