"""The one ceiling of the host that a lab reaches: how many watches of files root may open.

Every machine's systemd and message bus hold six; Linux allows 128, so the 22nd machine of a host would hang at its
boot. ``up`` raises the ceiling where it is too low, ``down`` puts back what it found.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from lab.files import place

if TYPE_CHECKING:
    from lab.settings import LabSettings

CEILING = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 1024
PER_MACHINE = 8


def ensure(settings: LabSettings, machines: int, ceiling: Path = CEILING) -> None:
    """Raise the ceiling if it is below what this lab and another beside it need; note what was found."""
    found, wanted = int(ceiling.read_text()), max(ENOUGH, 2 * PER_MACHINE * machines)
    if found < wanted:
        ceiling.write_text(f"{wanted}\n")
        place(_note(settings), json.dumps({"found": _noted(settings, found), "set": wanted}))


def restore(settings: LabSettings, ceiling: Path = CEILING) -> None:
    """Put back what ``ensure`` found, unless somebody has set it since."""
    note = _note(settings)
    if note.is_file():
        kept = json.loads(note.read_text())
        if int(ceiling.read_text()) == kept["set"]:
            ceiling.write_text(f"{kept['found']}\n")
        note.unlink()


def _note(settings: LabSettings) -> Path:
    return settings.home / "ceiling.json"


def _noted(settings: LabSettings, found: int) -> int:
    """Return what was found first: a lab that isn't taken down in between raises it again from its own value."""
    note = _note(settings)
    return min(found, json.loads(note.read_text())["found"]) if note.is_file() else found
