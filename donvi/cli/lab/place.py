"""Which lab a command means, and whether this user may touch it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from donvi.errors import LabError, UsageError

if TYPE_CHECKING:
    from lab.settings import LabSettings


def lab_settings(*, as_root: bool = True) -> LabSettings:
    """Return the settings of this host's lab.

    :raises UsageError: donvi runs from its wheel, which has no lab.
    :raises LabError: the user isn't root and must be.
    """
    try:
        from lab.settings import LabSettings
    except ModuleNotFoundError:
        hint = "run it in a clone: `uv run donvi lab …`"
        raise UsageError("the lab is part of donvi's repository, not of its wheel", hint=hint) from None
    if as_root and os.geteuid() != 0:
        raise LabError("the lab needs root: it makes namespaces, mounts and machines", hint="Run the command as root.")
    return LabSettings.from_environment()
