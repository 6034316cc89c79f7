"""A throw-away lab beside the host's own: other names, another management network, one unit."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from lab import access, control
from lab.display import PlainDisplay
from lab.settings import LabSettings
from tests.lab.names import UNIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSettings]:
    """Settings of a lab that no other run on this host uses; whatever stands at the end is removed."""
    home = tmp_path_factory.mktemp("throw-away") / "lab"
    ours = replace(
        LabSettings.from_environment(), home=home, prefix="dt", network=IPv4Network("172.31.251.0/24"), units=(UNIT,)
    )
    control.reset(ours, PlainDisplay())
    yield ours
    control.reset(ours, PlainDisplay())


@pytest.fixture
def paper_lab(tmp_path: Path) -> LabSettings:
    """Settings of a lab that has no machines: for what needs only its folder."""
    return replace(LabSettings.from_environment(), home=tmp_path / "lab", prefix="dx", units=(UNIT,))


@pytest.fixture
def lab(settings: LabSettings) -> LabSettings:
    """The throw-away lab with all its machines running."""
    if os.geteuid() != 0:
        pytest.fail("the lab's tests need root")
    control.up(settings, PlainDisplay())
    return settings


@pytest.fixture
def on(lab: LabSettings) -> Callable[..., str]:
    """Run a command on a machine over ssh and return what it printed."""

    def run(machine: str, command: str, *, check: bool = True) -> str:
        argv = access.ssh_command(lab, machine, [command])
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"`{command}` on {machine}: {done.stderr}"
        return done.stdout.strip()

    return run


@pytest.fixture
def environment_of(paper_lab: LabSettings) -> dict[str, str]:
    """The environment in which the command line means the paper lab."""
    own = {"DONVI_LAB_HOME": str(paper_lab.home), "DONVI_LAB_PREFIX": paper_lab.prefix, "DONVI_LAB_UNITS": UNIT}
    return {**os.environ, **own}
