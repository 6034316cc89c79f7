"""How a plugin process ends: at once, whichever of its threads hears that it is asked to."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
SECONDS = 4
"""The engine kills after five."""


@pytest.fixture(params=["donvi.provider", "lab.kubernetes_plugin"])
def plugin(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A plugin that serves."""
    command = [sys.executable, "-m", request.param, "127.0.0.1:1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit(), "it says its port first"
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_asked(plugin: subprocess.Popen[str], number: signal.Signals) -> None:
    plugin.send_signal(number)
    assert plugin.wait(timeout=SECONDS) == 0


def test_it_ends_although_another_thread_than_the_main_one_gets_the_signal(plugin: subprocess.Popen[str]) -> None:
    threads = sorted(int(entry.name) for entry in Path(f"/proc/{plugin.pid}/task").iterdir())
    other = next(thread for thread in threads if thread != plugin.pid)
    assert ctypes.CDLL(None).tgkill(plugin.pid, other, signal.SIGINT) == 0
    assert plugin.wait(timeout=SECONDS) == 0, "the engine would have waited five seconds and killed it"
