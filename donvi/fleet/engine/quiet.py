"""A home for the engine in which it can't keep the log of everything that it writes for each command.

That log (every property of every resource, compressed and encrypted, below ``logs`` in its home) takes a third of the
engine's time. There is no switch; the engine goes on without it when ``logs`` is no folder.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "PULUMI_HOME"
KEEP_LOGS = "DONVI_ENGINE_LOGS"
"""Set to anything, the engine logs as by hand."""
OWN = ".donvi"
LOGS = "logs"
SHARED = ("plugins", "workspaces")
log = logging.getLogger(__name__)


def quiet_home(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variable that names such a home, made inside the engine's own; all but the logs is shared.

    Nothing where logs are wanted or the home can't be written.
    """
    if environ.get(KEEP_LOGS):
        return {}
    given = environ.get(VARIABLE)
    home = Path(given) if given else Path(environ.get("HOME", str(Path.home())), ".pulumi")
    try:
        return {VARIABLE: str(_made(home.absolute()))}
    except OSError as error:
        log.info("the engine keeps its logs: %s", error)
        return {}


def _made(home: Path) -> Path:
    own = home / OWN
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    (own / LOGS).touch()
    for name in SHARED:
        (home / name).mkdir(exist_ok=True)
    for entry in home.iterdir():
        if entry.name not in {OWN, LOGS} and not (own / entry.name).is_symlink():
            with contextlib.suppress(FileExistsError):  # another driver was faster
                (own / entry.name).symlink_to(entry)
    return own
