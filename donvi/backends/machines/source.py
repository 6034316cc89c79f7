"""Which code a playbook runs: a digest of it and of what lies beside it, so that changed roles are noticed."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from donvi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = "DONVI_PLAYBOOKS"
SHARED = ("action_plugins", "filter_plugins", "library", "module_utils")


def folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the playbooks: ``DONVI_PLAYBOOKS``, or the one of this repository."""
    return Path(environ.get(VARIABLE) or Path(__file__).resolve().parents[3] / "playbooks")


@functools.lru_cache(maxsize=16)
def digest(playbook: Path) -> str:
    """Return a digest of a playbook, its roles and the modules beside it; it stays the same within a process.

    :raises UsageError: there is no such playbook.
    """
    if not playbook.is_file():
        raise UsageError(f"there is no playbook {playbook.name}", hint=f"see {playbook.parent}")
    found = hashlib.sha256()
    places = [playbook, *(playbook.parent / name for name in SHARED)]
    places += [playbook.parent / "roles" / role for role in sorted(_roles(playbook))]
    for file in (file for place in places for file in _files(place)):
        found.update(f"{file.relative_to(playbook.parent)}\0".encode())
        found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def _roles(playbook: Path) -> set[str]:
    plays: list[Mapping[str, Any]] = yaml.safe_load(playbook.read_text(encoding="utf-8")) or []
    return {role["role"] if isinstance(role, dict) else str(role) for play in plays for role in play.get("roles", [])}


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    elif place.is_dir():
        yield from sorted(
            file
            for file in place.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".md"
        )
