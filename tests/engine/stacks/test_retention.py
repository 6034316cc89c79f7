"""A unit is destroyed and comes back: the others untouched, retained things restored, a killed run finished."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from donvi.fleet import locks
from donvi.registry import load_city
from donvi.tenancy import describe
from tests.engine.lab import ROOT

if TYPE_CHECKING:
    from tests.engine.lab import Lab

UNIT = "26740-sai-gon"
CODE = "26740"
OTHERS = ("platform", "25747-thu-dau-mot", "26506-vung-tau")


def identities(lab: Lab, code: str) -> dict[str, str]:
    """Name of each account of a unit to its identity in the directory, wherever the entry lies."""
    found = lab.services.directory_read.search(
        "dc=tphcm,dc=test", f"(&(objectClass=inetOrgPerson)(donviUnit={code}))", attributes=["uid", "entryUUID"]
    )
    return {entry.one("uid"): entry.one("entryUUID") for entry in found}


def kill_in_the_middle(lab: Lab) -> None:
    """Start ``up`` and kill the engine and its provider once the first accounts exist."""
    process = subprocess.Popen(
        ["pulumi", "up", "--stack", UNIT, "--yes", "--skip-preview", "--non-interactive", "--color", "never"],
        cwd=ROOT,
        env=lab.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            if "donvi:directory:Account" in line and "created" in line:
                break
        command = ["pgrep", "-P", str(process.pid), "-f", "donvi.provider"]
        children = subprocess.run(command, capture_output=True, text=True, check=True)
        os.kill(process.pid, signal.SIGKILL)
        for pid in children.stdout.split():
            os.kill(int(pid), signal.SIGKILL)


def test_a_unit_is_destroyed_and_comes_back_through_a_killed_run(lab: Lab) -> None:
    tenancy = describe(load_city(), CODE)
    before = identities(lab, CODE)
    others = {stack: lab.export(stack) for stack in OTHERS}
    serials = {
        name: resource["outputs"]["serial"]
        for name, resource in lab.resources(UNIT).items()
        if name.startswith("Certificate/")
    }

    lab.pulumi("destroy", "--stack", UNIT, "--yes", "--skip-preview")

    reader = lab.services.directory_read
    people = [account for account in tenancy.accounts if account.kind == "person"]
    assert all(reader.get(account.dn) is None for account in tenancy.accounts), "nobody of the unit is left in place"
    kept = identities(lab, CODE)
    assert {account.id: before[account.id] for account in people}.items() <= kept.items(), "people are retained"
    assert lab.services.vault.policy_read(f"unit-{CODE}") is None
    assert others == {stack: lab.export(stack) for stack in OTHERS}, "the platform and the other units are untouched"

    kill_in_the_middle(lab)
    assert "is currently locked" in lab.pulumi("up", "--stack", UNIT, "--yes", "--skip-preview", fails=True)
    told = subprocess.run(
        ["donvi", "unlock", UNIT], cwd=ROOT, env=lab.environ, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"pulumi up --refresh -s {UNIT}" in told.stdout
    assert not locks.held_locks(lab.environ, "donvi", UNIT)

    begun = time.time()
    lab.pulumi("up", "--stack", UNIT, "--refresh", "--yes", "--skip-preview")

    assert time.time() - begun < 120
    lab.pulumi("preview", "--stack", UNIT, "--expect-no-changes")
    after = identities(lab, CODE)
    assert {account.id: before[account.id] for account in people}.items() <= after.items(), "the same people came back"
    renewed = lab.resources(UNIT)
    assert renewed["Verification/verification"]["outputs"]["verdict"] == "passed"
    assert all(renewed[name]["outputs"]["serial"] != serial for name, serial in serials.items())
