"""Which Kubernetes plugin the engine finds: the official one wherever it is installed, else the lab's stand-in.

The engine prefers a plugin on PATH to an installed one, so the stand-in's folder may be on PATH only if there is no
official one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lab.kubernetes_plugin import PROGRAM, VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.settings import LabSettings

INSTALLED = f"resource-kubernetes-v{VERSION}"
"""Folder below ``plugins`` in a Pulumi home."""


def stand_in(settings: LabSettings) -> Path:
    """Return the folder that holds the stand-in."""
    return settings.repository / "lab/kubernetes_plugin/path"


def folders(settings: LabSettings, current: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return what goes on PATH for the Kubernetes plugin: nothing when the official one is installed.

    :param current: PATH as it is.
    """
    return [] if official(settings, current, environ) else [str(stand_in(settings))]


def official(settings: LabSettings, current: str, environ: Mapping[str, str] | None = None) -> bool:
    """Say whether the official plugin is on PATH or installed; one in the person's own Pulumi home is linked."""
    ours = str(stand_in(settings))
    others = os.pathsep.join(entry for entry in current.split(os.pathsep) if entry != ours)
    if shutil.which(PROGRAM, path=others):
        return True
    place = settings.home / "pulumi-home/plugins" / INSTALLED
    if (place / PROGRAM).exists():
        return True
    own = _own_home(os.environ if environ is None else environ) / "plugins" / INSTALLED
    if not (own / PROGRAM).exists():
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(own)
    return True


def _own_home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("PULUMI_HOME") or Path(environ.get("HOME", "/nonexistent")) / ".pulumi")
