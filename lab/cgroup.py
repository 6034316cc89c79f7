"""A cgroup per machine, in every hierarchy: without it, machines would share one and stop each other's services."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from donvi.errors import LabError
from lab import host
from lab.shell import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def create(label: str, *, everywhere: bool = False) -> list[Path]:
    """Make a machine's cgroups; return the files into which its first process writes its own id.

    :param everywhere: also in the hierarchies that limit: for a machine that makes cgroups for what it runs.
    """
    folders = [tree / label for tree, tracks in host.cgroup_trees().items() if tracks or everywhere]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # empty at first, and then no process may enter
            if (folder / name).exists():
                (folder / name).write_text((folder.parent / name).read_text())
    return [folder / "cgroup.procs" for folder in folders]


def existing(prefix: str) -> list[str]:
    """Return the labels of all machines that have a cgroup."""
    found = (folder for tree in host.cgroup_trees() for folder in tree.glob(f"{prefix}-*"))
    return sorted({folder.name for folder in found if folder.is_dir()})


def members(label: str) -> set[int]:
    """Return the ids of all processes in a machine's cgroups."""
    found: set[int] = set()
    for tree in host.cgroup_trees():
        for procs in (tree / label).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in procs.read_text().split())
    return found


def remove(label: str) -> None:
    """End what still runs in a machine's cgroups and remove them.

    :raises LabError: a process survives SIGKILL (stuck in the kernel).
    """

    def emptied() -> bool:
        for pid in members(label):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not any(_remove_tree(tree / label) for tree in host.cgroup_trees())

    if not wait_until(emptied, seconds=10):
        raise LabError(
            f"cgroup {label} can't be removed: processes {sorted(members(label))} don't end",
            hint="Look at them with ps, then run the command again.",
        )


def _remove_tree(folder: Path) -> bool:
    """Remove a cgroup and those below it; true when something is left."""
    if not folder.is_dir():
        return False
    for parent, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(parent)  # noqa: PTH106 - unlink of kernel files is neither needed nor possible
    return folder.is_dir()
