"""Where the driver keeps what it must not forget: beside the state it speaks of, so that both are moved as one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.errors import UsageError
from donvi.fleet.locks import backend_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = ".donvi"


@dataclass(frozen=True)
class Places:
    """Folders of one state backend; none of them needs to exist yet.

    :param root: ``.donvi`` in the folder of a file backend; below ``$XDG_STATE_HOME/donvi`` for any other.
    """

    root: Path

    @property
    def runs(self) -> Path:
        """A folder per run."""
        return self.root / "runs"

    @property
    def leases(self) -> Path:
        """A file per stack that somebody works on."""
        return self.root / "leases"

    @property
    def receipts(self) -> Path:
        """What proves that a stack needs no run."""
        return self.root / "receipts"


def places(environ: Mapping[str, str]) -> Places:
    """Return where runs, leases and receipts of the state backend lie.

    :raises UsageError: ``PULUMI_BACKEND_URL`` isn't set.
    """
    url = environ.get("PULUMI_BACKEND_URL", "")
    if not url or url.startswith("file:"):
        return Places(backend_folder(environ) / FOLDER)
    home = environ.get("XDG_STATE_HOME") or f"{environ.get('HOME', '')}/.local/state"
    if not Path(home).is_absolute():
        raise UsageError("neither XDG_STATE_HOME nor HOME is set", hint="the driver must keep its journal somewhere")
    # the address may hold a password: its digest names the folder
    return Places(Path(home) / "donvi" / hashlib.sha256(url.encode()).hexdigest()[:16])
