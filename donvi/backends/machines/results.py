"""What a playbook did to each machine, built from ansible-runner's events; pure, and without secrets."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from donvi.errors import BackendError, DonviError, UnreachableError
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOLD = 800  # characters of a failed task's words that an error repeats
LINES = 400  # lines of one task's difference that are kept
TIMED_OUT = "Timed out after"
FULL = re.compile(
    r".{0,60}(No space left on device|Disk quota exceeded|[Nn]ot enough (free )?space|(create|usable) temporary dir"
    r"|(echo|printf): I/O error).{0,80}"
)
"""How programs say that a disk is full, with what stands around it. Python and Ansible say that they find no place for
their temporary files, Debian's shell that it can't write."""


@dataclass(frozen=True)
class TaskEvent:
    """One step of a run, as it happens. ``status`` is started, ok, changed, failed, skipped or unreachable."""

    machine: str
    task: str
    status: str


@dataclass(frozen=True)
class ChangedTask:
    """A task that changed a machine, or would in a check; ``diff`` are redacted lines of a unified difference."""

    task: str
    diff: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostResult:
    """What happened on one machine; ``error`` says why it isn't as the playbook wants it."""

    machine: str
    ok: int = 0
    changed: tuple[ChangedTask, ...] = ()
    error: DonviError | None = None


@dataclass(frozen=True)
class PlaybookResult:
    """What a run did; ``check`` means that it only looked."""

    playbook: str
    check: bool
    hosts: Mapping[str, HostResult]

    def require(self) -> None:
        """Raise the first machine's error, if there is one."""
        for host in self.hosts.values():
            if host.error is not None:
                raise host.error


@dataclass
class _Progress:
    ok: int = 0
    changed: list[ChangedTask] = field(default_factory=list)
    running: str = ""
    troubles: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind (failed or unreachable), task, words. A play may rescue or ignore one: the final counts say."""


class Tally:
    """Follows a run event by event.

    :param playbook: its name, for messages.
    :param addresses: how to log in to each machine, for messages.
    """

    def __init__(self, playbook: str, addresses: Mapping[str, str]) -> None:
        self._playbook = playbook
        self._addresses = addresses
        self._progress = {machine: _Progress() for machine in addresses}
        self._failed: Mapping[str, int] | None = None
        self._said: list[str] = []
        self._handlers: set[str] = set()

    def take(self, event: Mapping[str, Any]) -> TaskEvent | None:
        """Note one event; return what is worth telling."""
        kind, machine = event["event"], event.get("host", "")
        if kind == "playbook_on_stats":
            self._failed = event["failures"]
        if kind in {"verbose", "error"}:
            self._said.append(event["stdout"])
        if kind == "playbook_on_task_start" and event["handler"]:
            self._handlers.add(event["uuid"])
        progress = self._progress.get(machine)
        if progress is None or not kind.startswith("runner_on_"):
            return None
        task = f"{event['role']} : {event['task']}" if event["role"] else event["task"]
        if event["uuid"] in self._handlers:  # a reload follows from a change, it is none
            event = {**event, "changed": False}
        return TaskEvent(machine, task, _note(progress, kind.removeprefix("runner_on_"), task, event))

    def hung(self) -> list[str]:
        """Return the machines on which Ansible gave up a task that didn't end; its process may still run there."""
        return [
            machine
            for machine, progress in self._progress.items()
            if any(TIMED_OUT in words for _, _, words in progress.troubles)
        ]

    def results(self, ended: str) -> dict[str, HostResult]:
        """Return the machines' results.

        :param ended: why the run ended early, empty when it didn't.
        """
        return {
            machine: HostResult(machine, progress.ok, tuple(progress.changed), self._error(machine, progress, ended))
            for machine, progress in self._progress.items()
        }

    def _error(self, machine: str, progress: _Progress, ended: str) -> DonviError | None:
        name = f"playbook {self._playbook} on {machine}"
        finished = self._failed is not None
        if progress.troubles and (not finished or (self._failed or {}).get(machine)):
            kind, task, words = progress.troubles[-1]
            if found := FULL.search(words):
                return full(f"{name} failed at the task «{task}»", machine, self._addresses[machine], found[0])
            if kind == "unreachable":
                return UnreachableError(
                    f"{name}: the connection broke at the task «{task}»: {words[:TOLD]}",
                    hint="see whether the machine runs, then run again: what was done is not done twice",
                )
            return BackendError(
                f"{name} failed at the task «{task}»: {words[:TOLD]}",
                hint=f"look at the machine (ssh {self._addresses[machine]}), then run again",
            )
        if ended:
            where = f" at the task «{progress.running}»" if progress.running else ""
            return BackendError(f"{name} {ended}{where}", hint="run again: what was done is not done twice")
        if not finished:
            said = [line.strip() for text in self._said for line in text.splitlines() if line.strip()]
            words = redact("; ".join([line for line in said if "ERROR" in line] or said[-3:]))[:TOLD]
            return BackendError(
                f"{name} did not run: {words or 'Ansible ended by itself'}", hint="correct the playbook"
            )
        return None


def full(failed: str, machine: str, login: str, words: str) -> BackendError:
    """Return the error of a machine on which nothing can be written any more.

    :param failed: what failed there.
    """
    return BackendError(
        f"{failed}, because a disk is full: {words}",
        hint=f"make room on {machine} (ssh {login} 'df -h; df -i'), then run again: what was done is not done twice",
    )


def _note(progress: _Progress, kind: str, task: str, event: Mapping[str, Any]) -> str:
    progress.running = task
    if kind == "start":
        return "started"
    if kind in {"failed", "unreachable"}:
        progress.troubles.append((kind, task, " ".join(redact(event["said"]).split()) or "it said nothing"))
    elif kind == "ok":
        progress.ok += 1
        if event["changed"]:
            progress.changed.append(ChangedTask(task, difference(event["diff"])))
            return "changed"
    return kind


def difference(parts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return a module's differences as redacted lines of unified differences, without context of more than a line."""
    lines: list[str] = []
    for part in parts:
        if part.get("prepared"):
            lines += str(part["prepared"]).splitlines()
        elif "before" in part and "after" in part:
            lines += _unified(part)
    kept = lines[:LINES]
    if len(lines) > LINES:
        kept.append(f"… {len(lines) - LINES} more lines")
    return tuple(redact("\n".join(kept)).splitlines())


def _unified(part: Mapping[str, Any]) -> list[str]:
    before, after = _text(part["before"]), _text(part["after"])
    changed = difflib.unified_diff(before, after, n=0, lineterm="")
    body = [line for line in changed if not line.startswith(("---", "+++", "@@"))]
    header = str(part.get("after_header") or part.get("before_header") or "")
    return [f"  {header}", *body] if header and body else body


def _text(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.splitlines()
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).splitlines()
