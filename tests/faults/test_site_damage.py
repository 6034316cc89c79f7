"""The acceptance suite sees what goes wrong in a unit's corner of the cluster, and blames that alone."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager

import pytest

from donvi.registry import load_city
from donvi.tenancy import describe
from donvi.tenancy.access import administrators
from donvi.tenancy.names import cluster_group
from donvi.verify import Outcome, verify

MACHINE = "kube"
OPEN = {"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}}


@pytest.fixture(scope="module")
def space(code):
    return describe(load_city(), code).namespaces[0].id


@pytest.fixture(scope="module")
def kubectl(lab):
    """Run kubectl as the cluster's administrator, on its own machine."""

    def run(*arguments):
        return lab.on(MACHINE, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", *arguments)

    return run


@contextmanager
def slipped_in(kubectl, namespace, kind, name, *arguments):
    """Add an object beside the unit's own."""
    kubectl("-n", namespace, "create", kind, name, *arguments)
    try:
        yield
    finally:
        kubectl("-n", namespace, "delete", kind, name)


@contextmanager
def scaled(kubectl, namespace, app, replicas):
    before = kubectl("-n", namespace, "get", "deployment", app, "-o", "jsonpath={.spec.replicas}")
    kubectl("-n", namespace, "scale", "deployment", app, f"--replicas={replicas}")
    try:
        kubectl("-n", namespace, "rollout", "status", f"deployment/{app}", "--timeout=60s")
        yield
    finally:
        kubectl("-n", namespace, "scale", "deployment", app, f"--replicas={before}")
        kubectl("-n", namespace, "rollout", "status", f"deployment/{app}", "--timeout=60s")


@contextmanager
def opened(lab, kubectl, namespace):
    """Add a policy that lets everybody in and everything out."""
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "hole"}, **OPEN}
    command = ("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "-n", namespace, "create", "-f", "-")
    lab.on(MACHINE, *command, stdin=json.dumps(policy))
    try:
        yield
    finally:
        kubectl("-n", namespace, "delete", "networkpolicy", "hole")


def test_every_damage_to_a_site_is_seen_and_nothing_else_is_blamed(lab, code, kubectl, space):
    group = f"--group={cluster_group(code, *administrators(load_city()).rsplit('-', 1))}"
    environ = lab.environ()
    with ExitStack() as damage:
        # one hole alone opens nothing: whoever asks is held back at home, too
        for namespace in (space, "kube-system"):
            damage.enter_context(opened(lab, kubectl, namespace))
        damage.enter_context(scaled(kubectl, space, "web-portal", 1))
        damage.enter_context(slipped_in(kubectl, space, "rolebinding", "hole", "--clusterrole=admin", group))
        damage.enter_context(slipped_in(kubectl, "kube-system", "rolebinding", "hole", "--clusterrole=view", group))
        verdict = verify(code, environ=environ)
    assert {check.title for check in verdict.findings} == {
        "a site is reached by the gateway alone: web-portal",
        "as many pods are ready as were declared: web-portal",
        f"secrets are closed to an administrator: web-portal {space}",
        f"an administrator removes nothing: web-portal {space}",
        f"an administrator sees nothing of others: web-portal {space}",
    }
    assert {check.system for check in verdict.findings} == {"web-portal"}
    assert all(check.outcome is Outcome.FAILED for check in verdict.findings)
    verify(code, environ=environ).require_open()


def test_with_the_clusters_api_down_only_the_site_is_in_doubt(lab, code):
    lab.on(MACHINE, "systemctl", "kill", "--signal=SIGSTOP", "kube-apiserver")
    try:
        verdict = verify(code, environ=lab.environ())
    finally:
        lab.on(MACHINE, "systemctl", "kill", "--signal=SIGCONT", "kube-apiserver")
    assert {check.system for check in verdict.findings} == {"web-portal"}
    assert {check.outcome for check in verdict.findings} == {Outcome.INCONCLUSIVE}
    page = next(check for check in verdict.checks if check.title.startswith("the page opens over tls"))
    assert page.outcome is Outcome.PASSED, "a site doesn't need the API"
