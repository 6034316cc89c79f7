"""The cluster's playbook changes what is wrong and nothing else, and a check says the same beforehand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.settings import LabSettings
    from tests.playbooks.conftest import Run

KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"
MORE = json.dumps(
    [{"op": "add", "path": "/rules/-", "value": {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}}]
)
RIGHTS = f"{KUBECTL} get clusterrole donvi-preview -o json"


@dataclass
class Story:
    """Edited by hand, checked, run, run again."""

    check: Run
    still_edited: bool
    repair: Run
    second: Run


@pytest.fixture(scope="module")
def story(play: Callable[..., Run], on: Callable[..., str], lab: LabSettings) -> Story:
    def run(*options: str) -> Run:
        return play("-e", f"@{lab.home}/images.json", *options, playbook="cluster")

    on("kube", f"{KUBECTL} patch clusterrole donvi-preview --type=json -p '{MORE}'")
    on("kube", "echo '# sửa tay' >>/etc/kubernetes/kube-proxy.yml; chmod 0644 /etc/kubernetes/pki/admin.key")
    check = run("--check")
    still = '"secrets"' in on("kube", RIGHTS) and "sửa tay" in on("kube", "cat /etc/kubernetes/kube-proxy.yml")
    return Story(check, still, run(), run())


def test_a_check_names_what_was_edited_by_hand(story: Story) -> None:
    assert story.check.tasks == {
        "Hold the cluster's authority and what it signs",
        "Hold the rights of operators and of units' people",
        "Write the node's settings",
    }


def test_a_check_changes_nothing(story: Story) -> None:
    assert story.still_edited


def test_a_run_changes_what_the_check_said(story: Story, on: Callable[..., str]) -> None:
    assert story.repair.tasks == story.check.tasks
    assert '"secrets"' not in on("kube", RIGHTS)
    assert on("kube", "stat -c %a /etc/kubernetes/pki/admin.key").strip() == "600"


def test_a_second_run_changes_nothing(story: Story) -> None:
    assert set(story.second.changed.values()) == {0}, story.second.tasks


def test_a_check_of_a_machine_without_a_cluster_works_through(
    play: Callable[..., Run], lab: LabSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A zone's machine taken for a node: the same image, nothing of the cluster on it."""
    inventory = tmp_path_factory.mktemp("bare") / "inventory.yml"
    inventory.write_text("all: {children: {cluster: {hosts: {zone-party: {}}}}}\n")
    images = ("-e", f"@{lab.home}/images.json")
    run = play("--check", *images, "-i", str(inventory), "--limit", "zone-party", playbook="cluster")
    assert {"Install etcd", "Hold CoreDNS", "Hold the policies of admission"} <= run.tasks
