"""A real API server, a real Vault, a real directory: who gets in as whom, and what acceptance sees refused there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from donvi.backends.client_certificate import issue, trust
from donvi.backends.person_login import person
from donvi.deployment import ClusterPlace
from donvi.kubeconfig import kubeconfig
from donvi.registry import load_city
from donvi.tenancy import describe
from donvi.verify.ask.api import DRY_RUN, ClusterApi, core
from donvi.verify.ask.cluster import greedy_pod, privileged_pod, restricted_pod
from tests.support.control_plane import ControlPlane
from tests.support.directory_server import PASSWORD, UNITS
from tests.support.fixtures import deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from donvi.backends.client_certificate import Credential
    from donvi.tenancy.app_model import Namespace
    from tests.support.vault_server import VaultServer

READER = {"apiGroups": ["", "apps"], "resources": ["pods", "deployments"], "verbs": ["get", "list", "watch"]}
VERIFIER = READER | {"verbs": ["get", "list", "create"]}
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@dataclass
class Trusting(ControlPlane):
    """Lets in whom Vault's authority for the cluster signed, beside its own."""

    authority: str = ""

    def _written(self, name: str, text: str) -> Path:
        return super()._written(name, text + self.authority if name == "ca.crt" else text)


@pytest.fixture(scope="module")
def space() -> Namespace:
    return describe(load_city(), "26506").namespaces[0]


@pytest.fixture(scope="module")
def plane(own_vault: VaultServer, own_people: None, space: Namespace) -> Iterator[ControlPlane]:  # noqa: ARG001
    """An API server with the namespaces of two units, as the stacks and the cluster's playbook make them."""
    folder = Path(tempfile.mkdtemp(prefix="control-plane-", dir="/dev/shm"))
    made = Trusting(folder, authority=own_vault.root.get("pki-cluster/cert/ca")["certificate"].strip() + "\n")
    try:
        made.start(controllers=True)
        furnish(made, space)
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


def furnish(plane: ControlPlane, space: Namespace) -> None:
    admin = plane.client()
    for name, rules in (("donvi-unit-reader", [READER]), ("donvi-verify", [VERIFIER])):
        admin.post(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group"}
    verify = {"roleRef": role | {"name": "donvi-verify"}, "subjects": [group | {"name": "donvi:verify"}]}
    admin.post(f"{RBAC}/clusterrolebindings", {"metadata": {"name": "donvi-verify"}, **verify})
    for code in UNITS:
        name = f"unit-{code}-public"
        labels = {"donvi/unit": code, "pod-security.kubernetes.io/enforce": "restricted"}
        admin.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        people = {"roleRef": role | {"name": "donvi-unit-reader"}}
        people |= {"subjects": [group | {"name": f"unit:{code}:web-portal-admin"}]}
        admin.post(f"{RBAC}/namespaces/{name}/rolebindings", {"metadata": {"name": "web-portal-admin"}, **people})
    share, own = space.quota.share, f"/api/v1/namespaces/{space.id}"
    hard = {"pods": str(space.quota.pods), "limits.memory": f"{share.memory_limit}Mi"}
    admin.post(f"{own}/resourcequotas", {"metadata": {"name": "unit"}, "spec": {"hard": hard}})
    most = {"cpu": f"{space.container.cpu_limit}m", "memory": f"{space.container.memory_limit}Mi"}
    limits = [{"type": "Container", "max": most}]
    admin.post(f"{own}/limitranges", {"metadata": {"name": "unit"}, "spec": {"limits": limits}})
    await_quota(plane, f"{own}/resourcequotas/unit")


def await_quota(plane: ControlPlane, path: str) -> None:
    """Wait until the controller counted the quota; before, the API refuses every pod for that reason."""
    watch = {"watch": "true", "fieldSelector": "metadata.name=unit", "timeoutSeconds": "30"}
    session = plane.client().session
    with session.get(f"{plane.server}{path.rpartition('/')[0]}", params=watch, stream=True, timeout=40) as events:
        assert any("used" in json.loads(line)["object"].get("status", {}) for line in events.iter_lines() if line)


@pytest.fixture(scope="module")
def place(plane: ControlPlane) -> ClusterPlace:
    return ClusterPlace(server=plane.server, ca=plane.signer.pem, gateway="127.0.0.1:443")


@pytest.fixture
def api_of(own_vault: VaultServer, place: ClusterPlace) -> Iterator[Callable[[str], ClusterApi]]:
    """The API as an administrator of a unit sees it after a login."""
    opened: list[ClusterApi] = []

    def log_in(code: str) -> ClusterApi:
        context = trust(own_vault.ca_file)
        found = person(own_vault.address, context, f"admin-{code}", PASSWORD, role=f"unit-{code}-person")
        opened.append(ClusterApi(place, found.credential))
        return opened[-1]

    yield log_in
    for api in opened:
        api.close()


def operator(vault: VaultServer, role: str) -> tuple[str, Credential]:
    """Return a token of an operator role, and the credential that it gets."""
    vault.root.post(
        f"pki-cluster/roles/operator-{role}",
        {"allowed_domains": f"donvi-{role}", "allow_bare_domains": True, "organization": f"donvi:{role}"}
        | {"use_csr_common_name": False, "key_type": "ec", "client_flag": True, "server_flag": False, "max_ttl": "1h"},
    )
    vault.root.policy_write(
        f"cluster-{role}", f'path "pki-cluster/sign/operator-{role}" {{ capabilities = ["update"] }}'
    )
    answer = vault.root.post("auth/token/create", {"policies": [role, f"cluster-{role}"], "ttl": "15m"})
    token = str(answer["auth"]["client_token"])
    return token, issue(vault.address, token, vault.ca_file)


def test_an_administrator_sees_the_own_unit_and_nothing_else(api_of: Callable[[str], ClusterApi]) -> None:
    for own, other in (UNITS, UNITS[::-1]):
        api = api_of(own)
        assert api.ask("GET", core(f"unit-{own}-public", "pods")).status == 200
        for path in (core(f"unit-{other}-public", "pods"), core("kube-system", "pods"), "/api/v1/pods"):
            assert api.ask("GET", path).status == 403, path
        assert api.ask("GET", core(f"unit-{own}-public", "secrets")).status == 403
        who = api.ask(
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
        )
        user = who.items[0]["status"]["userInfo"]
        assert user["username"] == f"admin-{own}"
        assert set(user["groups"]) == {f"unit:{own}:web-portal-admin", "system:authenticated"}


def test_what_acceptance_tries_is_refused_for_its_own_reason_and_a_pod_in_order_is_not(
    own_vault: VaultServer, place: ClusterPlace, space: Namespace
) -> None:
    _, credential = operator(own_vault, "verify")
    api = ClusterApi(place, credential)
    path = core(space.id, "pods") + DRY_RUN
    try:
        assert api.ask("POST", path, restricted_pod(space, 1)).status == 201, "the control"
        greedy = api.ask("POST", path, greedy_pod(space))
        assert greedy.status == 403
        assert "exceeded quota: unit" in greedy.message
        privileged = api.ask("POST", path, privileged_pod(space))
        assert privileged.status == 403
        assert 'violates PodSecurity "restricted' in privileged.message
        assert not api.seen(core(space.id, "pods")), "nothing was made"
    finally:
        api.close()


def test_kubectl_logs_in_by_the_credential_plugin(own_vault: VaultServer, place: ClusterPlace, tmp_path: Path) -> None:
    token, _ = operator(own_vault, "verify")
    config = tmp_path / "kubeconfig.json"
    config.write_text(json.dumps(kubeconfig(msgspec.structs.replace(deployment(), cluster=place))))
    environ = {"VAULT_ADDR": own_vault.address, "VAULT_TOKEN": token, "VAULT_CACERT": own_vault.ca_file}
    environ |= {"KUBECONFIG": str(config), "HOME": str(tmp_path)}
    programs = Path(sys.executable).parent
    done = subprocess.run(
        [programs / "kubectl", "auth", "whoami", "-o", "json"],
        env=environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    user = json.loads(done.stdout)["status"]["userInfo"]
    assert (user["username"], user["groups"][0]) == ("donvi-verify", "donvi:verify")
