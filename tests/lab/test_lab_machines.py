"""The machines of a whole lab: boot, reuse, isolation. Every test starts from a lab that is up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import access, control, host
from lab.display import PlainDisplay
from tests.lab.names import MACHINES, WORKSTATION

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.settings import LabSettings


def pids(settings: LabSettings) -> dict[str, int | None]:
    return {machine.name: machine.pid for machine in control.status(settings).machines}


@pytest.mark.parametrize("machine", MACHINES)
def test_every_unit_of_a_machine_runs_after_the_boot(on: Callable[..., str], machine: str) -> None:
    assert on(machine, "systemctl is-system-running --wait; hostname", check=False).split() == ["running", machine]


def test_no_server_runs_before_a_playbook_enables_it(on: Callable[..., str]) -> None:
    listening = on("dc", "ss -Hltn | awk '{print $4}' | sort -u").split()
    assert {address.rpartition(":")[2] for address in listening} == {"22"}


def test_a_second_up_reuses_every_machine(lab: LabSettings) -> None:
    before = pids(lab)
    control.up(lab, PlainDisplay())
    assert pids(lab) == before
    assert None not in before.values()


def test_a_machine_with_another_host_key_is_refused(lab: LabSettings, tmp_path: Path) -> None:
    known = lab.home / "ssh/known_hosts"
    lines = known.read_text().splitlines()
    swapped = tmp_path / "known_hosts"
    keys = [line.split(" ", 1)[1] for line in lines]
    swapped.write_text("\n".join(f"{line.split(' ')[0]} {keys[i - 1]}" for i, line in enumerate(lines)) + "\n")
    argv = access.ssh_command(lab, "dc", ["true"])
    wrong = [part.replace(str(known), str(swapped)) for part in argv]
    assert subprocess.run(argv, check=False, stdin=subprocess.DEVNULL).returncode == 0
    refused = subprocess.run(wrong, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert refused.returncode == 255
    assert "Host key verification failed" in refused.stderr


def test_keys_of_the_services_are_readable_by_root_alone(on: Callable[..., str]) -> None:
    modes = on("dc", "stat -c '%U %a %n' /etc/donvi/tls/*.key").splitlines()
    assert len(modes) == 4
    assert {line.rsplit(" ", 1)[0] for line in modes} == {"root 600"}


def test_a_service_certificate_is_valid_for_name_and_address(lab: LabSettings, on: Callable[..., str]) -> None:
    address = next(machine.address for machine in control.status(lab).machines if machine.name == "dc")
    verify = "openssl verify -x509_strict -purpose sslserver -CAfile /etc/donvi/tls/root.crt"
    for check in ("-verify_hostname vault.tphcm.test", f"-verify_ip {address}"):
        assert on("dc", f"{verify} {check} /etc/donvi/tls/vault.crt").endswith("OK")
    assert "mismatch" in on(
        "dc", f"{verify} -verify_hostname mail.tphcm.test /etc/donvi/tls/vault.crt 2>&1", check=False
    )


@pytest.mark.parametrize(
    ("machine", "names"),
    [("dc", "directory mail ns1 vault"), ("zone-gov", "documents lgsp tthc zone-gov"), ("zone-party", "zone-party")],
)
def test_a_system_has_a_certificate_where_it_answers_and_nowhere_else(
    lab: LabSettings, on: Callable[..., str], machine: str, names: str
) -> None:
    assert on(machine, "cd /etc/donvi/tls && ls *.key").split() == [f"{name}.key" for name in names.split()]
    address = next(status.data6 for status in control.status(lab).machines if status.name == machine)
    verify = "openssl verify -x509_strict -purpose sslserver -CAfile /etc/donvi/tls/root.crt"
    for name in names.split():
        for check in (f"-verify_hostname {name}.tphcm.test", f"-verify_ip {address}"):
            assert on(machine, f"{verify} {check} /etc/donvi/tls/{name}.crt").endswith("OK")


def test_the_clusters_machine_makes_cgroups_in_its_own_part_of_every_hierarchy(
    lab: LabSettings, on: Callable[..., str]
) -> None:
    """A kubelet does; and it finds the kernel's settings as it wants them, while the host's stay."""
    made = (
        "for tree in /sys/fs/cgroup/*/; do [ -e ${tree}cgroup.procs ] && mkdir $tree/proof && rmdir $tree/proof; done"
    )
    on("kube", f"set -e; {made}; test -c /dev/kmsg")
    tree = next(tree for tree in host.cgroup_trees() if tree.name == "memory")
    on("kube", "mkdir /sys/fs/cgroup/memory/proof")
    assert (tree / lab.label("kube") / "proof").is_dir()
    assert not (tree / "proof").exists()
    assert on("kube", "rmdir /sys/fs/cgroup/memory/proof; cat /proc/sys/kernel/panic_on_oops") == "1"


def test_a_workstation_asks_its_units_gateway_for_names(on: Callable[..., str]) -> None:
    asked = [line.split()[1] for line in on(WORKSTATION, "grep ^nameserver /etc/resolv.conf").splitlines()]
    hops = [on(WORKSTATION, f"ip -{family} route show default").split()[2] for family in "46"]
    assert asked == hops


def test_the_inventory_is_what_ansible_connects_with(lab: LabSettings) -> None:
    program, inventory = Path(sys.executable).with_name("ansible"), lab.home / "inventory.yml"
    argv = [program, "-i", inventory, "all", "-m", "ansible.builtin.command", "-a", "hostname"]
    own = {**os.environ, "ANSIBLE_HOME": f"{lab.home}/ansible"}  # its connections stay open: `down` must end them
    done = subprocess.run(
        argv, env=own, capture_output=True, text=True, check=False, cwd=lab.repository, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{machine} | CHANGED" in done.stdout for machine in MACHINES)


def test_the_deployment_file_holds_addresses_and_no_place_on_the_host(lab: LabSettings) -> None:
    text = (lab.home / "deployment.json").read_text()
    assert set(json.loads(text)["machines"]) == set(MACHINES)
    assert str(lab.home) not in text
    assert "PRIVATE" not in text
