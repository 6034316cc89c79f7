"""Half-made labs are repaired, a lab that is down leaves nothing."""

from __future__ import annotations

import io
import json
import os
import signal
from typing import TYPE_CHECKING

from lab import control, host, network, record
from lab.display import PlainDisplay
from lab.machine import Container
from lab.shell import run, wait_for_exit
from tests.lab.names import GATEWAY
from tests.lab.snapshot import kernel_settings, leftovers

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.settings import LabSettings


def states(settings: LabSettings) -> dict[str, str]:
    return {machine.name: machine.state for machine in control.status(settings).machines}


def kill(settings: LabSettings, machine: str) -> None:
    """End a machine's supervisor as a crash would, and wait until it is gone."""
    pid = Container(settings, machine).supervisor()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_for_exit(pid, 10)


def test_a_machine_that_crashed_comes_back_with_its_disk_and_the_others_run_on(
    lab: LabSettings, on: Callable[..., str]
) -> None:
    on("dc", "echo kept >/root/kept && sync")
    others = {name: pid for name, pid in _pids(lab).items() if name != "dc"}
    kill(lab, "dc")
    assert states(lab)["dc"] == "half-made"
    control.up(lab, PlainDisplay())
    assert on("dc", "cat /root/kept") == "kept"
    assert {name: pid for name, pid in _pids(lab).items() if name != "dc"} == others
    assert "1 received" in on(GATEWAY, f"ping -c1 -W2 {_data4(lab, 'dc')}"), "the router's link to it was made anew"


def test_a_router_that_crashed_is_connected_to_everybody_again(lab: LabSettings, on: Callable[..., str]) -> None:
    kill(lab, "core")
    control.up(lab, PlainDisplay())
    assert "1 received" in on(GATEWAY, f"ping -c1 -W2 {_data4(lab, 'dc')}")


def test_a_lab_that_lost_everything_but_its_disks_is_repaired(lab: LabSettings) -> None:
    for name in states(lab):
        kill(lab, name)
        (lab.machine_folder(name) / "pid").unlink()
    network.remove_namespace(lab.label("dc"))
    run(["ip", "link", "delete", lab.bridge])
    assert set(states(lab).values()) == {"half-made"}
    control.up(lab, PlainDisplay())
    assert set(states(lab).values()) == {"running"}


def test_a_running_machine_is_found_without_its_pid_file(lab: LabSettings) -> None:
    before = _pids(lab)
    for name in before:
        (lab.machine_folder(name) / "pid").unlink()
    assert _pids(lab) == before


def test_a_pid_file_that_names_somebody_elses_process_harms_nobody(lab: LabSettings) -> None:
    kill(lab, GATEWAY)
    (lab.machine_folder(GATEWAY) / "pid").write_text(str(os.getpid()))
    control.up(lab, PlainDisplay())
    assert states(lab)[GATEWAY] == "running"
    assert _pids(lab)[GATEWAY] != os.getpid()


def test_a_missing_link_is_made_again_under_running_machines(lab: LabSettings, on: Callable[..., str]) -> None:
    before = _pids(lab)
    run(["ip", "-n", lab.label(GATEWAY), "link", "delete", "transit0"])
    control.up(lab, PlainDisplay())
    assert _pids(lab) == before
    assert "1 received" in on(GATEWAY, f"ping -c1 -W2 {_data4(lab, 'dc')}")


def test_a_machine_of_a_unit_that_left_is_removed(lab: LabSettings) -> None:
    stray = lab.label("gw-99999")
    run(["ip", "netns", "add", stray])
    control.up(lab, PlainDisplay())
    assert stray not in network.namespaces(lab.prefix)


def test_down_leaves_nothing_on_the_host_and_keeps_disks_and_state(lab: LabSettings, on: Callable[..., str]) -> None:
    on(GATEWAY, "echo kept >/root/kept")
    (lab.home / "pulumi/state").write_text("the engine's")
    settings_before, id_before = kernel_settings(), record.load(lab)
    assert leftovers(lab.home, lab.prefix), "a lab that is up is seen by the search for leftovers"
    control.down(lab, PlainDisplay())
    assert leftovers(lab.home, lab.prefix) == set()
    assert kernel_settings() == settings_before
    assert set(states(lab).values()) == {"down"}
    control.up(lab, PlainDisplay())
    assert record.load(lab) == id_before
    assert on(GATEWAY, "cat /root/kept") == "kept"
    assert (lab.home / "pulumi/state").read_text() == "the engine's"


def test_down_removes_a_lab_whose_machines_were_killed(lab: LabSettings) -> None:
    for name in states(lab):
        kill(lab, name)
    control.down(lab, PlainDisplay())
    assert leftovers(lab.home, lab.prefix) == set()


def test_reset_deletes_disks_keys_and_state_as_one(lab: LabSettings) -> None:
    before = record.load(lab)
    assert before is not None
    control.reset(lab, PlainDisplay())
    assert not lab.home.exists()
    assert leftovers(lab.home, lab.prefix) == set()
    control.up(lab, PlainDisplay())
    after = record.load(lab)
    assert after is not None
    assert after.id != before.id


def test_a_machine_made_under_another_boot_of_the_host_is_not_reused(lab: LabSettings) -> None:
    before, path = _pids(lab), lab.machine_folder("dc") / "record.json"
    kept = json.loads(path.read_text())
    assert kept["boot"] == host.boot_id()
    path.write_text(json.dumps(kept | {"boot": "another"}))
    control.up(lab, PlainDisplay())
    changed = {name for name, pid in _pids(lab).items() if before[name] != pid}
    assert changed == {"dc"}


def _pids(settings: LabSettings) -> dict[str, int | None]:
    return {machine.name: machine.pid for machine in control.status(settings).machines}


def _data4(settings: LabSettings, name: str) -> str:
    return next(machine.data4 for machine in control.status(settings).machines if machine.name == name)


def test_up_names_what_failed_at_a_machines_boot(lab: LabSettings, on: Callable[..., str]) -> None:
    unit = "/etc/systemd/system/broken.service"
    text = r"[Service]\nType=oneshot\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n"
    on(GATEWAY, f"printf '{text}' >{unit} && systemctl enable broken.service")
    kill(lab, GATEWAY)
    log = io.StringIO()
    control.up(lab, PlainDisplay(log))
    assert f"{GATEWAY}: running, but broken.service failed" in log.getvalue()
    on(GATEWAY, f"systemctl disable broken.service && rm {unit} && systemctl reset-failed")
