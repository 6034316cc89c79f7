"""What a lab could leave on a host, as a set that two moments can be compared by."""

from __future__ import annotations

from pathlib import Path

from lab import host, network

WATCHED = (
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv4/conf/all/rp_filter",
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/panic_on_oops",
)


def leftovers(home: Path, prefix: str) -> set[str]:
    """Return everything on the host that carries the lab's name or uses its folder."""
    found = {f"mount {point}" for point in host.mounts_below(home)}
    found |= {f"namespace {name}" for name in network.namespaces(prefix)}
    found |= {f"link {name}" for name in network.host_links(prefix)}
    found |= {f"cgroup {path}" for tree in host.cgroup_trees() for path in tree.rglob(f"{prefix}-*")}
    found |= {f"note {path}" for path in Path("/run/systemd/nspawn").rglob(f"*{prefix}-*")}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            words = (*host.command_line(int(entry.name)), _link(entry / "root"), _link(entry / "cwd"))
            if any(str(home) in word or f"--machine={prefix}-" in word for word in words):
                found.add(f"process {entry.name}: {' '.join(words)[:120]}")
    return found


def kernel_settings() -> dict[str, str]:
    """Return the host's own settings that a router's setup or a kubelet might have touched."""
    return {name: Path("/proc/sys", name).read_text().strip() for name in WATCHED}


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
