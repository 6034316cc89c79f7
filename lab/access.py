"""How the operator enters a machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from donvi.errors import LabError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.settings import LabSettings


def ssh_options(settings: LabSettings) -> list[str]:
    """Return the options that pin the host key and name the operator's key."""
    return [
        "-i",
        f"{settings.home}/ssh/operator",
        *("-o", "IdentitiesOnly=yes"),
        *("-o", f"UserKnownHostsFile={settings.home}/ssh/known_hosts"),
        *("-o", "GlobalKnownHostsFile=/dev/null"),
        *("-o", "StrictHostKeyChecking=yes"),
    ]


def ssh_command(settings: LabSettings, machine: str, command: Sequence[str] = ()) -> list[str]:
    """Return the command line that enters a machine, or runs a command there.

    :raises LabError: there is no lab.
    :raises UsageError: it has no such machine.
    """
    try:
        machines = json.loads((settings.home / "deployment.json").read_text())["machines"]
    except FileNotFoundError:
        raise LabError("there is no lab on this host", hint="Run `make up`.") from None
    if machine not in machines:
        raise UsageError(f"the lab has no machine {machine!r}", hint=f"there are: {', '.join(machines)}")
    return ["ssh", *ssh_options(settings), f"root@{machines[machine]['address']}", *command]
