"""The one place that knows testinfra: a testinfra host whose commands travel over the project's own SSH connection.

That connection uses a key that Vault signs for this run and a pinned ``known_hosts``, and it can feed standard
input, which testinfra's own ``ssh://`` backend cannot; secrets must never be arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from donvi.errors import BackendError
from donvi.verify.ask import InconclusiveError

if TYPE_CHECKING:
    from donvi.verify.ask.context import Context


class SignedSsh(BaseBackend):  # type: ignore[misc]
    """Runs testinfra's commands through :class:`donvi.backends.machines.SshRunner`."""

    NAME = "signed-ssh"
    HAS_RUN_SALT = False

    def __init__(self, context: Context, machine: str) -> None:
        super().__init__(machine)
        self._context = context
        self._machine = machine

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run a command with testinfra's quoting of ``args``; ``stdin`` is fed to it.

        :raises InconclusiveError: the machine can't be reached.
        """
        script = self.get_command(command, *args)
        try:
            done = self._context.ssh.run(self._machine, script, stdin=kwargs.get("stdin", ""), check=False)
        except BackendError as error:
            raise InconclusiveError(f"{self._machine} can't be asked: {error}") from None
        return self.result(done.exit_code, self.encode(script), done.stdout.encode(), done.stderr.encode())


def connect(context: Context, machine: str) -> Host:
    """Return a testinfra host for a machine of the deployment."""
    backend = SignedSsh(context, machine)
    host = Host(backend)
    backend.set_host(host)
    return host
