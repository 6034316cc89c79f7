"""Who may do what in the cluster: operators' groups and policies of admission, asked of the real API server.

The administrator speaks as a member of a group; the API server decides as it would for a certificate of that group.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from lab import access
from tests.support.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

NODE, CODE, OTHER = "kube", "90001", "90002"
SPACE, DOMAIN = f"unit-{CODE}-public", "thu.tphcm.test"


class Cluster:
    """The API server as somebody sees it who is in a group."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def run(self, *arguments: str, group: str = "", stdin: str = "") -> subprocess.CompletedProcess[str]:
        speaker = ["--as=somebody", f"--as-group={group}", "--as-group=system:authenticated"] if group else []
        command = access.ssh_command(self.lab.settings, NODE, ["kubectl", *speaker, *arguments])
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)

    def apply(self, thing: dict[str, Any], *options: str, group: str = "") -> subprocess.CompletedProcess[str]:
        options = (*options, "--server-side", "--force-conflicts")
        return self.run("apply", *options, "-f", "-", group=group, stdin=json.dumps(thing))

    def refusal(self, thing: dict[str, Any], *options: str, group: str = "") -> str:
        """Return why the object isn't taken."""
        done = self.apply(thing, *options, group=group)
        assert done.returncode != 0, f"taken from {group or 'the administrator'}: {done.stdout}"
        return done.stderr


def namespace(name: str = SPACE, code: str = CODE, domain: str = DOMAIN) -> dict[str, Any]:
    labels = {"donvi/unit": code, "donvi/zone": "public"}
    meta = {"name": name, "labels": labels, "annotations": {"donvi/domain": domain}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


def config(space: str = SPACE) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "page", "namespace": space},
        "data": {"a": "b"},
    }


def route(*hosts: str, gateway: str = "city-gateway") -> dict[str, Any]:
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": gateway, "name": "city"}
    rules = [{"backendRefs": [{"group": "", "kind": "Service", "name": "web-portal", "port": 443, "weight": 1}]}]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1alpha2",
        "kind": "TLSRoute",
        "metadata": {"name": "web-portal", "namespace": SPACE},
        "spec": {"parentRefs": [parent], "hostnames": list(hosts), "rules": rules},
    }


def binding(group: str, role: str = "donvi-unit-reader") -> dict[str, Any]:
    api = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "web-portal-admin", "namespace": SPACE},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": api, "kind": "Group", "name": group}],
    }


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    lab = Lab()
    if not (lab.settings.home / "images.json").exists():
        pytest.skip("there is no lab with a cluster: `make up`")
    found = Cluster(lab)
    made = found.apply(namespace(), group="donvi:apply")
    assert made.returncode == 0, made.stderr
    yield found
    found.run("delete", "namespace", SPACE, "--ignore-not-found", "--timeout=60s")


def test_apply_holds_objects_in_a_units_namespace_and_nowhere_else(cluster: Cluster) -> None:
    assert cluster.apply(config(), group="donvi:apply").returncode == 0
    assert "namespaces of units only" in cluster.refusal(config("kube-system"), group="donvi:apply")


@pytest.mark.parametrize(
    "right", ["create clusterroles", "list secrets", "create pods", "delete nodes", "escalate clusterroles"]
)
def test_apply_may_not(cluster: Cluster, right: str) -> None:
    answer = cluster.run("auth", "can-i", *right.split(), "--all-namespaces", group="donvi:apply")
    assert answer.stdout.strip() == "no"


def test_preview_tries_what_apply_does_and_nothing_persists(cluster: Cluster) -> None:
    thing = config() | {"data": {"a": "tried"}}
    tried = cluster.apply(thing, "--dry-run=server", group="donvi:preview")
    assert tried.returncode == 0, tried.stderr
    assert "may only try" in cluster.refusal(thing, group="donvi:preview")
    assert cluster.run("get", "configmap", "page", f"--namespace={SPACE}", "-o=jsonpath={.data.a}").stdout != "tried"


@pytest.mark.parametrize("group", ["donvi:preview", "donvi:verify"])
def test_who_only_looks_reads_no_secret(cluster: Cluster, group: str) -> None:
    asked = [
        cluster.run("auth", "can-i", verb, "secrets", "-A", group=group).stdout.strip() for verb in ("get", "list")
    ]
    assert asked == ["no", "no"]
    assert cluster.run("auth", "can-i", "list", "deployments", "-A", group=group).stdout.strip() == "yes"


def test_a_namespace_is_called_after_its_unit(cluster: Cluster) -> None:
    assert "unit-<code>-<zone>" in cluster.refusal(namespace("unit-90002-public"), group="donvi:apply")


def test_nobody_else_claims_or_moves_a_units_namespace(cluster: Cluster) -> None:
    for changed in (namespace(domain="vung-tau.tphcm.test"), namespace("unit-90002-public", OTHER), namespace("mine")):
        assert "only the group donvi:apply" in cluster.refusal(changed)
    assert "unit-<code>-<zone>" in cluster.refusal(namespace(code=OTHER), group="donvi:apply")


def test_a_units_host_names_are_its_own(cluster: Cluster) -> None:
    for host in (f"www.{DOMAIN}", DOMAIN):
        taken = cluster.apply(route(host), group="donvi:apply")
        assert taken.returncode == 0, taken.stderr
    for host in ("vung-tau.tphcm.test", f"xa{DOMAIN}", "tphcm.test"):
        assert "annotation donvi/domain" in cluster.refusal(route(host), group="donvi:apply")
    assert "the only gateway" in cluster.refusal(route(DOMAIN, gateway=SPACE), group="donvi:apply")


def test_a_units_rights_go_to_its_own_people(cluster: Cluster) -> None:
    own = cluster.apply(binding(f"unit:{CODE}:web-portal-admin"), group="donvi:apply")
    assert own.returncode == 0, own.stderr
    for group in (f"unit:{OTHER}:web-portal-admin", "system:authenticated"):
        assert f"must be a group unit:{CODE}:" in cluster.refusal(binding(group), group="donvi:apply")


def test_apply_binds_no_other_role(cluster: Cluster) -> None:
    thing = binding(f"unit:{CODE}:web-portal-admin", "cluster-admin")
    thing["metadata"]["name"] = "more"
    assert "attempting to grant RBAC permissions" in cluster.refusal(thing, group="donvi:apply")


@pytest.mark.parametrize("more", [{"type": "NodePort"}, {"externalIPs": ["10.0.4.30"]}, {"type": "LoadBalancer"}])
def test_a_units_service_is_reached_through_the_gateway_alone(cluster: Cluster, more: dict[str, Any]) -> None:
    spec = {"selector": {"a": "b"}, "ports": [{"port": 443}], **more}
    thing = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "direct", "namespace": SPACE}, "spec": spec}
    assert "ClusterIP" in cluster.refusal(thing, group="donvi:apply")


def test_secrets_are_encrypted_at_rest(cluster: Cluster) -> None:
    canaries = {"secret": secrets.token_hex(16), "configmap": secrets.token_hex(16)}
    for kind, canary in canaries.items():
        form = ["generic"] if kind == "secret" else []
        literal = f"--from-literal=value={canary}"
        made = cluster.run("create", kind, *form, "canary", f"--namespace={SPACE}", literal)
        assert made.returncode == 0, made.stderr
    found = {
        kind: cluster.lab.on(NODE, f"sync; grep -rqa {canary} /var/lib/etcd && echo yes || echo no").strip()
        for kind, canary in canaries.items()
    }
    assert found == {"secret": "no", "configmap": "yes"}


def test_whoever_shows_no_certificate_of_the_clusters_authorities_is_refused(cluster: Cluster) -> None:
    """A server certificate of the city's root is no way in, nor is none at all."""
    for pair in ("", "--cert /etc/donvi/tls/cluster.crt --key /etc/donvi/tls/cluster.key"):
        command = (
            f"curl -s -o /dev/null -w %{{http_code}} --cacert /etc/donvi/tls/root.crt {pair} https://10.0.4.30:6443/api"
        )
        assert cluster.lab.on(NODE, command).strip() == "401"
