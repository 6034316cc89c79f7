"""Runs scripts on machines with the OpenSSH client.

A script travels over standard input, so nothing of it is seen in process arguments here or there. Host keys are pinned
and never accepted on first sight. Connections to one machine are shared (ControlMaster) and closed at the end.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import secrets
import select
import shlex
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.backends.machines.identity import Identity
from donvi.backends.machines.results import FULL, full
from donvi.errors import BackendError, PermissionDeniedError, UnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.backends.vault import VaultClient
    from donvi.deployment import Deployment, Machine

SSH_FAILED = 255
CONNECT_SECONDS = 10
PERSIST_SECONDS = 15
TOLD = 600  # characters of a failed script's last words that an error repeats

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class Completed:
    """What a script printed, and how it ended."""

    stdout: str
    stderr: str
    exit_code: int


class SshRunner:
    """Runs scripts on the deployment's machines; safe for any number of threads.

    :param vault: signs the ephemeral key.
    :param known_hosts: file with the machines' pinned host keys.
    """

    def __init__(self, deployment: Deployment, vault: VaultClient, known_hosts: str) -> None:
        if not Path(known_hosts).is_file():
            raise UsageError(
                f"the file of known host keys {known_hosts} does not exist",
                hint="set DONVI_KNOWN_HOSTS, or `make lab-up`",
            )
        self._deployment = deployment
        self._known_hosts = known_hosts
        self._identity = Identity(vault)
        self._lock = threading.Lock()
        self._first: dict[str, threading.Lock] = {}
        self._connected: set[str] = set()
        atexit.register(self.close)

    def run(
        self,
        machine: str,
        script: str,
        *arguments: str,
        stdin: str = "",
        check: bool = True,
        timeout: float = 60.0,
    ) -> Completed:
        """Run a POSIX shell script on a machine.

        The machine reads the whole script before it does anything, so a connection that breaks half-way runs nothing.

        :param arguments: the script's ``$1``, ``$2`` …; they aren't process arguments either.
        :param stdin: text that the script reads from its standard input.
        :param check: a script that ends with another code than 0 is an error.
        :param timeout: seconds until the script is given up.
        :raises PermissionDeniedError: Vault doesn't sign for this token, or the machine doesn't trust Vault's key.
        :raises UnreachableError: no connection.
        :raises BackendError: the host key isn't the pinned one, the script failed or took too long.
        """
        place = self._deployment.machine(machine)
        command = ["ssh", "-T", *self._options(place), "-p", str(place.port), f"{place.user}@{place.address}", "sh -s"]
        text = _envelope(script, arguments, stdin)
        with self._turn(machine):
            completed = self._ssh(machine, command, text, timeout)
        if completed.exit_code == SSH_FAILED:
            raise _connection_error(machine, place, completed.stderr, self._known_hosts)
        self._connected.add(machine)
        if check and completed.exit_code != 0:
            said = completed.stderr.strip()[-TOLD:] or "it said nothing"
            login = f"{place.user}@{place.address}"
            failed = f"a script on {machine} failed with code {completed.exit_code}"
            if found := FULL.search(said):
                raise full(failed, machine, login, found[0])
            raise BackendError(f"{failed}: {said}", hint=f"look at the machine: ssh {login}")
        return completed

    def knows(self, machine: str) -> bool:
        """Say whether the deployment has the machine (any more)."""
        return self._deployment.has(machine)

    def permitted(self, machine: str) -> bool:
        """Say whether Vault signs an SSH key for this token; contacts no machine."""
        try:
            self._identity.ready(self._deployment.machine(machine).user)
        except PermissionDeniedError:
            return False
        return True

    def shared(self, machine: str) -> tuple[Machine, list[str]]:
        """Return where a machine is and the options of its shared connection, for a program that runs ssh itself.

        :raises PermissionDeniedError: Vault doesn't sign for this token.
        """
        place = self._deployment.machine(machine)
        return place, self._options(place)

    @contextlib.contextmanager
    def folder(self, machine: str) -> Iterator[Path]:
        """Make a private folder on tmpfs beside the key, gone at the end, or swept with the key if we are killed."""
        parent = self._identity.ready(self._deployment.machine(machine).user).parent
        with tempfile.TemporaryDirectory(prefix="run-", dir=parent, ignore_cleanup_errors=True) as made:
            yield Path(made)

    def close(self) -> None:
        """End the shared connections and remove the key; a later :meth:`run` starts afresh."""
        folder = self._identity.folder
        for socket in folder.glob("mux-*") if folder is not None else ():
            _end_master(socket)
        self._identity.destroy()
        self._connected.clear()

    def _options(self, place: Machine) -> list[str]:
        key = self._identity.ready(place.user)
        options = {
            "BatchMode": "yes",
            "CertificateFile": f"{key}-cert.pub",
            "ConnectTimeout": str(CONNECT_SECONDS),
            "ControlMaster": "auto",
            "ControlPath": f"{key.parent}/mux-%C",
            "ControlPersist": str(PERSIST_SECONDS),
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "IdentityFile": str(key),
            "LogLevel": "ERROR",
            "PreferredAuthentications": "publickey",
            "ServerAliveCountMax": "3",
            "ServerAliveInterval": "5",
            "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no",
            "UserKnownHostsFile": self._known_hosts,
        }
        settings = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return ["-F", "/dev/null", *settings]

    def _turn(self, machine: str) -> contextlib.AbstractContextManager[object]:
        """Let the first connection to a machine be made alone, so that the others share it."""
        if machine in self._connected:
            return contextlib.nullcontext()
        with self._lock:
            return self._first.setdefault(machine, threading.Lock())

    @staticmethod
    def _ssh(machine: str, command: list[str], text: str, timeout: float) -> Completed:
        try:
            done = subprocess.run(
                command, input=text.encode(), capture_output=True, env=ENVIRONMENT, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise BackendError(
                f"a script on {machine} did not end within {timeout:.0f} s", hint="see what hangs on the machine"
            ) from None
        except FileNotFoundError:
            raise BackendError("there is no `ssh` on this machine", hint="install the OpenSSH client") from None
        return Completed(
            done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"), done.returncode
        )


def _envelope(script: str, arguments: tuple[str, ...], stdin: str) -> str:
    """Wrap a script so that the shell parses all of it first and then runs it with the arguments and the input."""
    end = f"END-{secrets.token_hex(8)}"
    quoted = " ".join(shlex.quote(argument) for argument in arguments)
    feed = stdin if not stdin or stdin.endswith("\n") else stdin + "\n"
    return f"donvi_main() {{\n{script}\n}}\ndonvi_main {quoted} <<'{end}'\n{feed}{end}\n"


def _end_master(socket: Path) -> None:
    """End the process that holds a shared connection, and wait until it is gone."""
    running = re.search(r"pid=(\d+)", _control(socket, "check"))
    watch = None
    with contextlib.suppress(OSError):  # it ended by itself
        watch = os.pidfd_open(int(running[1])) if running else None
    _control(socket, "exit")
    if watch is not None:
        select.select([watch], [], [], CONNECT_SECONDS)
        os.close(watch)


def _control(socket: Path, command: str) -> str:
    done = subprocess.run(
        ["ssh", "-F", "/dev/null", "-o", f"ControlPath={socket}", "-O", command, "machine"],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def _connection_error(machine: str, place: Machine, stderr: str, known_hosts: str) -> BackendError:
    where = f"{machine} ({place.address}:{place.port})"
    if "host key" in stderr.lower() or "HOST IDENTIFICATION" in stderr:
        return BackendError(
            f"the host key of {where} is not the one pinned in {known_hosts}",
            hint="find out why before you trust it; if the machine was made anew, pin its new key (lab: `make lab-up`)",
        )
    if "permission denied" in stderr.lower():
        return PermissionDeniedError(
            f"{where} does not accept the key that Vault signed",
            hint="the datacentre playbook installs the trust in Vault's SSH key: run it",
        )
    reason = (stderr.strip().splitlines() or ["no reason given"])[-1]
    return UnreachableError(
        f"{where} can't be reached by SSH: {reason}", hint="see whether it runs (`make lab-status`), then run again"
    )
