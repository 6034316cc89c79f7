"""What git knows: which files differ from a revision, uncommitted and new ones included, and what they were."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import TYPE_CHECKING

from donvi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

MOST_ARGUMENTS = 500
"""Paths given to one command; more of them make it name none and take all."""


class Repository:
    """A git working tree.

    :param folder: anywhere in it.
    :raises UsageError: there is no git, or the folder isn't in a working tree.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        top = _run(folder, "rev-parse", "--show-toplevel", wrong=f"{folder} is in no git working tree")
        self.root = type(folder)(top.decode().rstrip("\n"))

    def commit(self, revision: str) -> str:
        """Return the commit that a revision names.

        :raises UsageError: it names none here; a shallow clone lacks older ones.
        """
        found = _run(
            self.root,
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            f"{revision}^{{commit}}",
            wrong=f"there is no revision {revision!r} in {self.root}",
            hint="in CI fetch the whole history (GitLab: GIT_DEPTH: 0, GitHub: fetch-depth: 0)",
        )
        return found.decode().strip()

    def changed(self, commit: str) -> set[str]:
        """Return the files that differ between a commit and the working tree: edited, gone, new and not ignored."""
        differ = _run(self.root, "diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", commit, "--")
        new = _run(self.root, "ls-files", "--others", "--exclude-standard", "-z")
        return {path.decode() for path in (*differ.split(b"\0"), *new.split(b"\0")) if path}

    def extract(self, commit: str, paths: Iterable[str], into: Path) -> None:
        """Write files as they were into a folder; paths that weren't there are left out.

        :param paths: files or folders, relative to the root.
        """
        wanted = sorted(set(paths))
        if not wanted:
            return
        there = _run(self.root, "ls-tree", "-r", "-z", "--name-only", commit, "--", *_few(wanted)).split(b"\0")
        known = [name for path in there if path and _below(name := path.decode(), wanted)]
        if not known:
            return
        archive = _run(self.root, "archive", "--format=tar", commit, "--", *_few(known))
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            members = [one for one in packed.getmembers() if not one.isfile() or _below(one.name, wanted)]
            packed.extractall(into, members, filter="data")


def _few(paths: Sequence[str]) -> list[str]:
    """Return the paths as literal arguments, none when they are too many for a command line."""
    return [f":(top,literal){path}" for path in paths] if len(paths) <= MOST_ARGUMENTS else []


def _below(path: str, wanted: Sequence[str]) -> bool:
    places = set(wanted)
    parts = path.split("/")
    return any("/".join(parts[:count]) in places for count in range(1, len(parts) + 1))


def _run(folder: Path, *arguments: str, wrong: str = "", hint: str = "") -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, stdin=subprocess.DEVNULL, check=False
        )
    except FileNotFoundError:
        raise UsageError("there is no git", hint="install it, or name the units") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        message = wrong or f"`git {arguments[0]}` failed in {folder}"
        raise UsageError(f"{message}: {said}" if said else message, hint=hint or "name the units instead")
    return done.stdout
