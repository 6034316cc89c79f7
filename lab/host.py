"""What the host's kernel says: processes, mounts, cgroups. Read only; nothing here is remembered between calls."""

from __future__ import annotations

import re
from pathlib import Path

PROC = Path("/proc")


def boot_id() -> str:
    """Identify this boot of the host: process ids and mounts of another boot mean nothing."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def process_start(pid: int) -> int | None:
    """Return a living process's start time in clock ticks since boot; None for a dead one or a zombie."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def command_line(pid: int) -> tuple[str, ...]:
    """Return a process's arguments; empty for a dead one."""
    try:
        return tuple((PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1])
    except OSError:
        return ()


def find_processes(*arguments: str) -> list[int]:
    """Return the processes that have all these arguments, word for word."""
    pids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if set(arguments) <= set(command_line(pid)) and process_start(pid) is not None]


def mounts_below(folder: Path) -> list[Path]:
    """Return the mount points at or below a folder, the innermost first."""
    points = []
    for line in (PROC / "self/mountinfo").read_text().splitlines():
        escaped = line.split(" ")[4]
        point = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), escaped))
        if point.is_relative_to(folder):
            points.append(point)
    return sorted(points, key=lambda point: len(point.parts), reverse=True)


def cgroup_trees() -> dict[Path, bool]:
    """Return the roots of all cgroup hierarchies, and whether each tracks processes: the unified one and systemd's own.

    The others limit what processes use; there are none where the unified hierarchy does that too.
    """
    trees = {}
    for line in (PROC / "self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in {"cgroup", "cgroup2"}:
            trees[Path(left.split(" ")[4])] = kind == "cgroup2" or "name=systemd" in options.split(",")
    return trees
