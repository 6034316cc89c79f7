"""Runs stacks through the official CLI and tells what happens while it happens.

Everything that a person can do by hand with ``pulumi`` this does the same way; it adds making a stack that doesn't
exist, progress as events, and errors of this project's own with a remedy.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from donvi.errors import EngineError, LockedError, PolicyError, UsageError
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
NOISE = ("update failed", "preview failed", "program exited with non-zero exit code: 1")
BROKEN = "failed to load checkpoint"
UNLOCK = "run `donvi unlock {0}`, then `pulumi up --refresh -s {0}`"
LOCKED = "the stack is currently locked by"
NAMED_IN_ERROR = 5
TAIL_LINES = 10
_COLOUR = re.compile(r"<\{%[^%]*%\}>")


class Operation(StrEnum):
    """What can be done with a stack."""

    PREVIEW = "preview"
    UP = "up"
    REFRESH = "refresh"
    DESTROY = "destroy"


@dataclass(frozen=True)
class Step:
    """Something began, ended or failed.

    :param op: create, update, delete, replace, refresh, read or same.
    :param kind: type token of the resource.
    :param state: ``begun``, ``done`` or ``failed``.
    """

    stack: str
    op: str
    kind: str
    name: str
    state: str


@dataclass
class Outcome:
    """How a run ended.

    :param changes: operation to number of resources; ``same`` is what was left alone.
    """

    stack: str
    operation: Operation
    changes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def changed(self) -> int:
        """How many resources were, or in a preview would be, touched."""
        return sum(count for op, count in self.changes.items() if op not in {"same", "read", "refresh"})


class StackDriver:
    """Runs operations of this repository's stacks.

    :param environ: what ``donvi lab env`` prints, PATH included.
    :param repository: folder of ``Pulumi.yaml``.
    """

    def __init__(self, environ: Mapping[str, str], *, repository: Path = REPOSITORY) -> None:
        self.environ = dict(environ)
        self.repository = repository

    def stacks(self) -> set[str]:
        """Names of the stacks that exist.

        :raises EngineError: the backend can't be read.
        """
        listed: list[dict[str, Any]] = json.loads(self._cli("stack", "ls", "--json"))
        return {entry["name"].rpartition("/")[2] for entry in listed}

    def ensure(self, stack: str) -> bool:
        """Make the stack, its secrets wrapped by the transit key of its own name; says whether it was made now.

        :raises EngineError: it can't be made, usually because the key isn't there: ``platform`` makes those of units.
        """
        if stack in self.stacks():
            return False
        self._cli("stack", "init", stack, "--no-select", "--secrets-provider", f"hashivault://{stack}")
        return True

    def run(
        self,
        operation: Operation,
        stack: str,
        *,
        refresh: bool = False,
        on_step: Callable[[Step], None] | None = None,
    ) -> Outcome:
        """Run one operation to its end.

        :param refresh: read the real systems first (``up`` and ``preview`` only).
        :param on_step: called in this thread for every step.
        :raises LockedError: somebody else holds the stack, or a dead run left its lock.
        :raises PolicyError: a policy refuses a resource or the stack; the message names each.
        :raises EngineError: a resource or the program failed; the message names each.
        """
        begun = time.monotonic()
        outcome = Outcome(stack, operation)
        problems = _Problems()
        with self._start(_command(operation, stack, refresh=refresh)) as process:
            try:
                for event in _events(process, problems):
                    problems.look_at(event)
                    outcome.changes = event.get("summaryEvent", {}).get("resourceChanges") or outcome.changes
                    step = _step(stack, event)
                    if step is not None and on_step is not None:
                        on_step(step)
                status = process.wait()
            except BaseException:
                _interrupt(process)
                raise
        outcome.seconds = time.monotonic() - begun
        if status != 0:
            raise problems.error(operation, stack, status)
        return outcome

    def output(self, stack: str, name: str) -> Any:
        """Return an output of a stack, ``None`` if it has none of that name."""
        return json.loads(self._cli("stack", "output", "--stack", stack, "--json")).get(name)

    def _start(self, arguments: list[str]) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                ["pulumi", *arguments],
                cwd=self.repository,
                env={**self.environ, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone; we pass it on once
            )
        except FileNotFoundError:
            raise UsageError("pulumi is not on PATH", hint='run `eval "$(uv run donvi lab env)"` first') from None

    def _cli(self, *arguments: str) -> str:
        """Run a short command and return its standard output."""
        try:
            done = subprocess.run(
                ["pulumi", *arguments, "--non-interactive", "--color", "never"],
                cwd=self.repository,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            raise UsageError("pulumi is not on PATH", hint='run `eval "$(uv run donvi lab env)"` first') from None
        if done.returncode != 0:
            told = redact(" ".join(done.stderr.split())) or f"exit {done.returncode}"
            raise EngineError(
                f"`pulumi {' '.join(arguments)}` failed: {told}", hint="is the lab up? `donvi lab status`"
            )
        return done.stdout


class _Problems:
    """Collects what the engine says went wrong."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.refused: list[str] = []
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    def look_at(self, event: Mapping[str, Any]) -> None:
        if violated := event.get("policyEvent"):
            self._policy(violated)
        told = event.get("diagnosticEvent")
        if not told or told.get("severity") != "error":
            return
        name = told.get("urn", "").rpartition("::")[2]
        message = redact(" ".join(_COLOUR.sub("", told["message"]).split()))
        line = f"{name}: {message}" if name else message
        if line not in self.said:
            self.said.append(line)

    def _policy(self, violated: Mapping[str, Any]) -> None:
        if violated.get("enforcementLevel") != "mandatory":
            return
        name = violated.get("resourceUrn", "").rpartition("::")[2]
        message = redact("; ".join(_COLOUR.sub("", violated["message"]).split("\n")))
        self.refused.append(f"policy {violated['policyName']} at {name}: {message}")

    def error(self, operation: Operation, stack: str, status: int) -> EngineError | LockedError | PolicyError:
        held = next((line for line in [*self.said, *self.tail] if LOCKED in line), None)
        if held is not None:
            return LockedError(
                f"stack {stack} is locked: {redact(' '.join(self.tail)) or held}",
                hint=f"wait for the other run, or if it is dead {UNLOCK.format(stack)}",
            )
        if self.refused:
            return PolicyError(
                f"{operation.value} of stack {stack} is refused: {_some(self.refused)}",
                hint="do what each remedy says; an exception is a waiver (docs/policies.md)",
            )
        own = [line for line in self.said if not line.endswith(NOISE)] or list(self.tail)
        if any(BROKEN in line for line in own):
            return EngineError(
                f"the state of stack {stack} is half-written: a run was killed", hint=UNLOCK.format(stack)
            )
        told = _some(own) or f"pulumi ended with exit code {status}"
        return EngineError(
            f"{operation.value} of stack {stack} failed: {redact(told)}",
            hint=f"repair that, then `pulumi up -s {stack}` goes on where this run stopped",
        )


def _some(lines: Sequence[str]) -> str:
    more = f"; and {len(lines) - NAMED_IN_ERROR} more" if len(lines) > NAMED_IN_ERROR else ""
    return "; ".join(lines[:NAMED_IN_ERROR]) + more


def _command(operation: Operation, stack: str, *, refresh: bool) -> list[str]:
    arguments = [operation.value, "--stack", stack, "--json", "--non-interactive", "--color", "never"]
    if operation is not Operation.PREVIEW:
        arguments += ["--yes", "--skip-preview"]
    if refresh and operation in {Operation.UP, Operation.PREVIEW}:
        arguments.append("--refresh")
    return arguments


def _events(process: subprocess.Popen[str], problems: _Problems) -> Iterator[dict[str, Any]]:
    """Yield the engine's events; lines that are none are kept for an error's sake."""
    assert process.stdout is not None  # noqa: S101 - started with a pipe
    for line in process.stdout:
        try:
            event = json.loads(line)
        except ValueError:
            if line.strip():
                problems.tail.append(line.strip())
            continue
        if isinstance(event, dict):
            yield event


def _step(stack: str, event: Mapping[str, Any]) -> Step | None:
    for key, state in (("resourcePreEvent", "begun"), ("resOutputsEvent", "done"), ("resOpFailedEvent", "failed")):
        if key in event:
            metadata = event[key]["metadata"]
            name = metadata["urn"].rpartition("::")[2]
            return Step(stack, metadata["op"], metadata["type"], name, state)
    return None


def _interrupt(process: subprocess.Popen[str]) -> None:
    """End the engine as Ctrl-C would: it finishes what runs, records it and gives up the lock."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait()
