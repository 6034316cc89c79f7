"""A workstation asks its unit's gateway for names and time, trusts the city, and is hardened.

Settings are those that the lab gives it already, so the machine is as before.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from donvi.registry import load_city
from donvi.tenancy import describe
from lab.access import ssh_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.settings import LabSettings
    from tests.playbooks.conftest import Run

CODE = "26740"
MACHINE = f"ws-{CODE}"
ROOT_FILE = "/usr/local/share/ca-certificates/donvi-root.crt"


@pytest.fixture(scope="module")
def workstation(configure: Callable[..., Run], root: str) -> Callable[..., Run]:
    city = load_city()
    tenancy = describe(city, CODE)
    office = next(segment for segment in tenancy.segments if segment.id == "main/office")
    settings = {
        "resolver": {"domain": city.settings.domain, "servers": [office.gateway4, office.gateway6]},
        "time": {"servers": [office.gateway4, office.gateway6], "sets_clock": False},
    }
    files = {"root_certificate": Path(root).read_text(encoding="utf-8")}

    def run(*options: str) -> Run:
        return configure("workstation", MACHINE, *options, unit=CODE, files=files, settings=settings)

    run()
    return run


def test_a_second_run_changes_nothing_and_a_check_says_the_same(workstation: Callable[..., Run]) -> None:
    assert workstation("--check").changed[MACHINE] == workstation().changed[MACHINE] == 0


def test_a_stopped_service_and_edited_files_are_seen_and_repaired(
    workstation: Callable[..., Run], on: Callable[..., str]
) -> None:
    on(MACHINE, f"systemctl stop chrony; echo nameserver 192.0.2.1 >>/etc/resolv.conf; echo >>{ROOT_FILE}")
    named = {"Run chrony", "Say whom the machine asks for names", "Bring the city's root to the machine"}
    assert workstation("--check").tasks == named
    assert on(MACHINE, "systemctl is-active chrony || true").strip() == "inactive"
    assert workstation().tasks == named
    assert on(MACHINE, "systemctl is-active chrony").strip() == "active"
    assert "192.0.2.1" not in on(MACHINE, "cat /etc/resolv.conf")


def test_it_asks_its_gateway_for_names_and_time(workstation: Callable[..., Run], on: Callable[..., str]) -> None:
    assert workstation
    hop = on(MACHINE, "ip -4 route show default").split()[2]
    assert f"nameserver {hop}\n" in on(MACHINE, "cat /etc/resolv.conf")
    assert hop in on(MACHINE, "chronyc -h /run/chrony/chronyd.sock -n sources")
    assert on(MACHINE, "ss -Hlun 'sport = :123'") == "", "it tells nobody the time"


def test_it_trusts_the_city(workstation: Callable[..., Run], on: Callable[..., str]) -> None:
    assert workstation
    assert on(MACHINE, f"openssl verify -CApath /etc/ssl/certs {ROOT_FILE}").endswith("OK\n")


def test_the_folder_of_its_units_keys_is_roots(workstation: Callable[..., Run], on: Callable[..., str]) -> None:
    assert workstation
    assert on(MACHINE, f"stat -c '%U %a' /etc/donvi/units/{CODE}").strip() == "root 700"


def test_sshd_takes_keys_only_and_forwards_nothing(
    workstation: Callable[..., Run], on: Callable[..., str], lab: LabSettings
) -> None:
    assert workstation
    settings = set(on(MACHINE, "sshd -T").splitlines())
    assert {"passwordauthentication no", "allowtcpforwarding no", "x11forwarding no"} <= settings
    options = ["-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive"]
    command = ssh_command(lab, MACHINE, ["true"])
    refused = subprocess.run(
        [command[0], *options, *command[1:]], capture_output=True, text=True, check=False, timeout=30
    )
    assert "Permission denied (publickey)" in refused.stderr


def test_it_passes_no_packets_on(workstation: Callable[..., Run], on: Callable[..., str]) -> None:
    assert workstation
    assert on(MACHINE, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding").split() == ["0", "0"]
