"""One machine: an overlay of the image, booted by systemd-nspawn in its own namespace and cgroup."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.errors import LabError
from lab import cgroup, host, network
from lab.shell import run, wait_for_exit, wait_until

if TYPE_CHECKING:
    from lab.settings import LabSettings

NSPAWN_STATE = Path("/run/systemd/nspawn")
BOOT_SECONDS = 30.0
STOP_SECONDS = 30.0
# the network settings of its own namespace are the machine's to hold
WRITABLE = "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network"
# writes its own id where the lab finds it, enters the machine's cgroups, and becomes the machine's supervisor
LAUNCH = """pid=$1 log=$2 groups=$3; shift 3
echo $$ >"$pid"
for group in $groups; do echo $$ >"$group"; done
exec "$@" >>"$log" 2>&1"""
# What a node finds before its first process. nspawn shows it its own part of every cgroup hierarchy, but read-only. And
# a kubelet ends where it may not set these of the kernel's settings; the kernel is the host's, so it sees them as set.
INIT = """mount -o remount,bind,rw /sys/fs/cgroup
for tree in /sys/fs/cgroup/*/; do mountpoint -q "$tree" && mount -o remount,bind,rw "$tree"; done
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \\
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    shown=/run/shown-settings/${setting%=*}
    mkdir -p "${shown%/*}"
    echo "${setting#*=}" >"$shown"
    mount --bind -o ro "$shown" "/proc/sys/${setting%=*}"
done
exec /lib/systemd/systemd"""


@dataclass(frozen=True, slots=True)
class Powers:
    """What a machine may do beyond nspawn's default.

    :param system_calls: those that are let through.
    :param cgroups: it makes cgroups, in every hierarchy, for what it runs.
    :param volumes: its folders that lie on the host's own disk, because one overlay can't carry another.
    :param devices: those of the host that it sees.
    """

    capabilities: str
    system_calls: str = ""
    cgroups: bool = False
    volumes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


# Vault locks its memory, a router sets routes and packet filters
COMMON = Powers("CAP_IPC_LOCK,CAP_NET_ADMIN")
# a node starts containers of its own, and its kubelet reads in the kernel's log what ran out of memory
NODE = Powers(
    "all",
    "@keyring bpf",
    cgroups=True,
    volumes=("/var/lib/containerd", "/var/lib/kubelet"),
    devices=("/dev/kmsg",),
)


def powers(role: str) -> Powers:
    """Return what a machine of that role may do."""
    return NODE if role == "cluster" else COMMON


@dataclass(frozen=True, slots=True)
class Container:
    """The machine called ``name`` as a thing on the host."""

    settings: LabSettings
    name: str

    @property
    def folder(self) -> Path:
        """What is kept of the machine."""
        return self.settings.machine_folder(self.name)

    @property
    def root(self) -> Path:
        """Where its disk is mounted while it runs."""
        return self.folder / "root"

    @property
    def label(self) -> str:
        """Its name on the host."""
        return self.settings.label(self.name)

    def _arguments(self) -> tuple[str, str]:
        """The two arguments that no other process has."""
        return f"--machine={self.label}", f"--directory={self.root}"

    def supervisor(self) -> int | None:
        """Return the id of its nspawn process, trusting the pid file only if the process is the one it names."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.folder / "pid").read_text())
            if set(self._arguments()) <= set(host.command_line(pid)) and host.process_start(pid) is not None:
                return pid
        found = host.find_processes(*self._arguments())
        return found[0] if found else None

    def mount(self, image: Path) -> None:
        """Mount the machine's disk over the image."""
        for folder in ("disk/upper", "disk/work", "root"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        if self.root in host.mounts_below(self.root):
            return
        options = f"lowerdir={image},upperdir={self.folder}/disk/upper,workdir={self.folder}/disk/work"
        run(["mount", "-t", "overlay", self.label, "-o", options, str(self.root)])

    def boot(self, record: dict[str, str], powers: Powers = COMMON) -> None:
        """Start the machine; :meth:`wait_for_ssh` says when it is ready.

        :param record: what the machine was made from; a later run compares it.
        """
        self.write_record(record)
        groups = " ".join(str(path) for path in cgroup.create(self.label, everywhere=powers.cgroups))
        command = [
            "systemd-nspawn", "--quiet", *self._arguments(),
            f"--network-namespace-path={network.namespace_path(self.settings, self.name)}",
            "--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
            "--console=passive", f"--capability={powers.capabilities}", *self._more(powers),
        ]  # fmt: skip
        (self.folder / "pid").unlink(missing_ok=True)
        places = [str(self.folder / "pid"), str(self.folder / "console.log"), groups]
        search = f"PATH={os.environ['PATH']}"
        run(["setsid", "--fork", "env", "-i", search, WRITABLE, "sh", "-c", LAUNCH, "sh", *places, *command])

    def _more(self, powers: Powers) -> list[str]:
        """Return the rest of nspawn's arguments, which ends with what it starts."""
        binds = [f"--bind={device}" for device in powers.devices]
        for place in powers.volumes:
            folder = self.folder / "volumes" / place.strip("/").replace("/", "-")
            folder.mkdir(parents=True, exist_ok=True)
            binds.append(f"--bind={folder}:{place}")
        calls = [f"--system-call-filter={powers.system_calls}"] if powers.system_calls else []
        start = ["--kill-signal=SIGRTMIN+3", "sh", "-c", INIT] if powers.cgroups else ["--boot"]
        return [*binds, *calls, *start]

    def write_record(self, record: dict[str, str]) -> None:
        """Keep what the machine was made from."""
        (self.folder / "record.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")

    def record(self) -> dict[str, str]:
        """Return what the machine was made from; empty when that isn't known."""
        try:
            found: dict[str, str] = json.loads((self.folder / "record.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def wait_for_ssh(self, address: str, seconds: float = BOOT_SECONDS) -> None:
        """Wait until sshd greets.

        :raises LabError: the machine ended, or doesn't answer in time.
        """

        def answers() -> bool:
            if self.supervisor() is None and (self.folder / "pid").exists():
                raise LabError(f"machine {self.name} ended while booting: {self.last_words()}", hint=self._look())
            return greets(address)

        if not wait_until(answers, seconds, step=0.05):
            raise LabError(f"machine {self.name} doesn't answer on {address}:22", hint=self._look())

    def last_words(self) -> str:
        """Return the end of the console's log."""
        with contextlib.suppress(OSError):
            return "; ".join((self.folder / "console.log").read_text(errors="replace").strip().splitlines()[-3:])
        return ""

    def _look(self) -> str:
        return f"See {self.folder}/console.log and `journalctl -D {self.folder}/disk/upper/var/log/journal`."

    def shut_down(self) -> None:
        """Stop the machine in order, by force if it takes too long, and remove all but its disk from the host."""
        pid = self.supervisor()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            wait_for_exit(pid, STOP_SECONDS)
        self.clear()

    def clear(self) -> None:
        """Remove what a machine leaves on the host: processes, mounts, namespace, cgroup, nspawn's own notes."""
        pid = self.supervisor()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_for_exit(pid, STOP_SECONDS)
        cgroup.remove(self.label)
        for point in host.mounts_below(self.root):
            run(["umount", str(point)], check=False)
        for point in host.mounts_below(self.root):
            run(["umount", "--lazy", str(point)])
        network.remove_namespace(self.label)
        (self.folder / "pid").unlink(missing_ok=True)
        for note in (*NSPAWN_STATE.glob(f"*/{self.label}"), *NSPAWN_STATE.glob(f"locks/*{self.label}*")):
            shutil.rmtree(note) if note.is_dir() else note.unlink()


def greets(address: str) -> bool:
    """Say whether an ssh server greets at the address."""
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
