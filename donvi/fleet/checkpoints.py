"""Mends what a killed engine leaves half-written beside a stack's state.

The engine's file backend writes a checkpoint to a ``.tmp`` file and renames it, which is atomic, but rewrites the file
``<checkpoint>.attrs`` in place before that. Killed in between, it leaves an empty ``.attrs`` beside an intact
checkpoint, and every later run fails with ``failed to load checkpoint: EOF``. The attributes are optional: without the
file all is well.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SETTLED_SECONDS = 30.0
"""A temporary file that nobody touched for so long belongs to no write that goes on; one takes milliseconds."""


def mend(backend: Path, project: str, stack: str) -> list[Path]:
    """Remove broken attributes and abandoned temporary files of a stack's state and locks; returns what was removed.

    Only for stacks whose owner is known to be dead.

    :param backend: folder that ``PULUMI_BACKEND_URL`` names.
    """
    states = backend / ".pulumi/stacks" / project
    locks = backend / ".pulumi/locks/organization" / project / stack
    attributes = [*states.glob(f"{stack}.json*.attrs"), *locks.glob("*.attrs")]
    drafts = [*states.glob(f"{stack}.json*.tmp"), *locks.glob("*.tmp")]
    broken = [path for path in attributes if not _is_json(path)] + [path for path in drafts if _settled(path)]
    for path in broken:
        path.unlink(missing_ok=True)
    return broken


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (ValueError, FileNotFoundError):
        return False
    return True


def _settled(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > SETTLED_SECONDS
    except FileNotFoundError:
        return False
