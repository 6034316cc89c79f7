"""The lab as fault tests see it: its services can be stopped, its stacks brought up by the official command line."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import access
from lab.environment import variables
from lab.settings import LabSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
READY_SECONDS = 30


class Lab:
    """This host's lab; operator's rights on every machine."""

    def __init__(self) -> None:
        self.settings = LabSettings.from_environment()
        self.deployment: dict[str, Any] = json.loads((self.settings.home / "deployment.json").read_text())

    def environ(self, role: str = "apply", **more: str) -> dict[str, str]:
        """Return a whole environment as ``donvi lab env`` sets it, with a fresh token."""
        return {"HOME": str(Path.home()), "LANG": "C.UTF-8", **variables(self.settings, role), **more}

    def on(self, machine: str, *command: str, stdin: str = "") -> str:
        """Run a command on a machine and return what it printed."""
        argv = access.ssh_command(self.settings, machine, command)
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)} on {machine}: {done.stderr.strip()}"
        return done.stdout

    @contextmanager
    def stopped(self, *services: str, ports: tuple[int, ...]) -> Iterator[None]:
        """Stop services of the data centre; start them again and wait until their ports answer, whatever happens."""
        self.on("dc", "systemctl", "stop", *services)
        try:
            yield
        finally:
            self.on("dc", "systemctl", "start", *services)
            for port in ports:
                self.await_port(port)

    def await_port(self, port: int) -> None:
        """Wait until a server of the data centre speaks TLS on a port: the kernel takes connections before it does."""
        address = self.deployment["machines"]["dc"]["address"]
        context = ssl.create_default_context(cafile=str(self.settings.home / "pki/root.crt"))
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                with socket.create_connection((address, port), 1) as plain:
                    context.wrap_socket(plain, server_hostname=address).close()
            except OSError:
                assert time.monotonic() < deadline, f"dc doesn't answer on port {port}"
                time.sleep(0.1)
            else:
                return


@dataclass
class Run:
    """What a command printed, and how it ended."""

    code: int
    text: str


@dataclass
class Stack:
    """One stack of the real program, with the city's data from a folder."""

    lab: Lab
    name: str
    variables: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, environ: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a pulumi command on the stack; the environment is a fresh one by default."""
        command = ["pulumi", *arguments, "--stack", self.name, "--non-interactive", "--color", "never"]
        return subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environ or self.lab.environ(**self.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, environ: dict[str, str] | None = None) -> Run:
        """Run a pulumi command to its end."""
        process = self.start(*arguments, environ=environ)
        text, _ = process.communicate(timeout=300)
        return Run(process.returncode, text)

    def up(self, *flags: str) -> Run:
        """Bring the stack up, without a preview before it."""
        return self.run("up", "--yes", "--skip-preview", *flags)

    def urns(self) -> set[str]:
        """Return the names of everything the state knows."""
        exported = self.run("stack", "export")
        assert exported.code == 0, exported.text
        return {resource["urn"] for resource in json.loads(exported.text)["deployment"]["resources"]}
