"""What a person approved, and whether a stack's fresh preview is still that. Pure but for reading and writing the file.

``donvi preview … --save FILE`` writes what was seen: the classes, and of every stack a digest of its own changes.
``donvi approve FILE CLASS…`` says yes to classes. ``donvi up … --approved FILE`` previews each stack again and applies
it only if its class was approved and nothing in it is different from what was seen.
"""

from __future__ import annotations

import getpass
import os
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from donvi.errors import DataError, UsageError
from donvi.fleet.classes import stack_digest
from donvi.fleet.model import QUIET, Failure, Result
from donvi.fleet.telling import SHORT, changes, counts, differences

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from donvi.fleet.classes import PreviewClass
    from donvi.fleet.telling import PreviewReport

FORMAT = 1
CODE = "unapproved"
LINES = 40
"""Lines of a class's changes that the file keeps, so that it can be read without the tool."""


class Yes(msgspec.Struct, frozen=True):
    """Who approved, and when."""

    by: str
    at: datetime


class ApprovedClass(msgspec.Struct, frozen=True):
    """A class of previews as it was seen.

    :param digest: of its normal form; :param stacks: of each the digest of its own changes.
    :param lines: what changes, for people.
    :param approved: by whom and when; ``None`` until then.
    """

    digest: str
    stacks: dict[str, str]
    counts: dict[str, int]
    lines: tuple[str, ...]
    refused: bool = False
    approved: Yes | None = None


class Approval(msgspec.Struct, frozen=True):
    """The file.

    :param revision: what was previewed, ``+`` behind it where files differed from it.
    :param unchanged: stacks in which nothing was to change; if something is now, nobody has seen it.
    """

    format: int
    made: Yes
    revision: str
    classes: tuple[ApprovedClass, ...]
    unchanged: tuple[str, ...] = ()

    def objection(self, preview: Result) -> Failure | None:
        """Say why a stack's preview isn't what was approved; ``None`` when it is, or when nothing would change."""
        if not any(change.op not in QUIET for change in preview.changes) and not preview.changed:
            return None
        stack = preview.stack
        found = next((one for one in self.classes if stack in one.stacks), None)
        if found is None:
            seen = "was to stay as it is" if stack in self.unchanged else "wasn't previewed"
            return _no(f"{stack} would change, but when the approval was made it {seen}", self)
        if found.approved is None:
            return _no(f"{stack} is in class {found.digest[:SHORT]}, which nobody approved", self)
        if found.stacks[stack] != stack_digest(preview):
            then, now = _counted(found.counts), _counted(preview.counts)
            return _no(f"the preview of {stack} isn't the approved one any more: {then} then, {now} now", self)
        return None

    def approve(self, wanted: Iterable[str], *, everything: bool = False, yes: Yes | None = None) -> Approval:
        """Return the approval with more classes approved.

        :param wanted: beginnings of digests.
        :raises UsageError: one names no class or several, or a class that a policy refuses.
        """
        said = yes or now()
        chosen = {one.digest for one in self.classes if not one.refused} if everything else set()
        for word in wanted:
            found = [one for one in self.classes if word and one.digest.startswith(word)]
            if len(found) != 1:
                known = ", ".join(one.digest[:SHORT] for one in self.classes) or "none"
                raise UsageError(f"{word!r} names {len(found)} classes", hint=f"the file has {known}")
            if found[0].refused:
                raise UsageError(
                    f"class {word} is refused or failed: there is nothing that could be applied",
                    hint="repair it and preview again; an exception to a policy is a waiver (docs/policies.md)",
                )
            chosen.add(found[0].digest)
        classes = tuple(
            msgspec.structs.replace(one, approved=one.approved or said) if one.digest in chosen else one
            for one in self.classes
        )
        return msgspec.structs.replace(self, classes=classes)


def approval_of(report: PreviewReport, made: Yes | None = None) -> Approval:
    """Return the approval that a report asks for; nothing in it is approved yet."""
    classes = tuple(_class(one, report) for one in report.classes.changing)
    return Approval(FORMAT, made or now(), report.revision, classes, report.classes.unchanged)


def _class(one: PreviewClass, report: PreviewReport) -> ApprovedClass:
    told = differences(one.difference) if one.difference else changes(one)
    return ApprovedClass(
        one.digest,
        {stack: report.classes.digests[stack] for stack in one.stacks},
        dict(counts(one)),
        tuple(f"{line.sign} {line.text}" for line in told[:LINES]),
        refused=one.refused or one.failed,
    )


def write(approval: Approval, path: Path) -> None:
    """Write the file, whole or not at all.

    :raises UsageError: it can't be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(approval), indent=1) + b"\n")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"{path} can't be written: {error.strerror}", hint="name another file") from None


def read(path: Path) -> Approval:
    """Read the file.

    :raises UsageError: there is none.
    :raises DataError: it isn't one of this version's.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Approval)
    except OSError as error:
        raise UsageError(
            f"{path} can't be read: {error.strerror}", hint=f"`donvi preview … --save {path}` makes it"
        ) from None
    except msgspec.DecodeError as error:
        raise DataError(f"no approval: {error}", file=str(path), hint="`donvi preview … --save` makes one") from None
    if found.format != FORMAT:
        raise DataError(f"format {found.format} of another version", file=str(path), hint="preview and approve again")
    return found


def now() -> Yes:
    """Return who runs this, and the time."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return Yes(f"{user}@{socket.gethostname()}", datetime.now(UTC).replace(microsecond=0))


def _no(message: str, approval: Approval) -> Failure:
    made = f"{approval.made.at:%Y-%m-%d %H:%M} UTC"
    return Failure(CODE, message, f"nothing was changed; preview again, look and approve (this approval is of {made})")


def _counted(numbers: dict[str, int]) -> str:
    return ", ".join(f"{count} {op}" for op, count in sorted(numbers.items()) if op not in QUIET and count) or "nothing"
