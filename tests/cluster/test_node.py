"""The cluster's node is a machine of the lab: its pods run and find names, its limits and settings stay its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab import host

if TYPE_CHECKING:
    from tests.cluster.units import Units

SHOWN = {"vm/overcommit_memory": "1", "kernel/panic_on_oops": "1", "kernel/panic": "10"}
CLOSED = 5  # of tools/site/cmd/probe: the other side answered and hung up


def test_a_pod_finds_the_citys_names_through_the_clusters(units: Units) -> None:
    """Vault hangs up on whoever doesn't begin TLS; without an address, nobody could."""
    assert units.asks("proof-a/client", "vault.tphcm.test:8200") == CLOSED


def test_a_pod_finds_services(units: Units) -> None:
    assert units.asks("proof-a/client", "web.proof-a.svc.cluster.local:80") == 0


def test_pods_limits_are_in_the_machines_own_cgroups(units: Units) -> None:
    label = units.lab.settings.label("kube")
    kept = [tree for tree in host.cgroup_trees() if (tree / label / "kubepods").is_dir()]
    assert kept, "the node keeps no cgroups of pods below its own"
    assert not [tree for tree in host.cgroup_trees() if (tree / "kubepods").exists()]


def test_the_kubelet_sees_settings_that_the_hosts_kernel_keeps_to_itself(units: Units) -> None:
    inside = {name: units.lab.on("kube", "cat", f"/proc/sys/{name}").strip() for name in SHOWN}
    assert inside == SHOWN
    assert any(Path("/proc/sys", name).read_text().strip() != value for name, value in SHOWN.items())


def test_nobody_outside_reaches_a_pod_past_the_gateway(units: Units) -> None:
    """Not even a machine of the node's own network that knows the way; the pod answers the node meanwhile."""
    target = units.addresses["proof-a/web"]
    assert units.alive(f"{target}:9000")
    tried = "ip route add 10.0.64.0/20 via 10.0.4.30; nc -z -w 2 {} 9000; echo $?; ip route delete 10.0.64.0/20"
    assert units.lab.on("zone-public", tried.format(target)).split() == ["1"]
