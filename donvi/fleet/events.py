"""The engine's JSON events as this project's values. Pure: events go in one by one, steps come out, the rest adds up.

What the engine says of a resource is spread over several events: one before a step, one after it or a failure, and a
replacement is three steps. Here it is one :class:`~donvi.fleet.model.Change` for each resource that was touched, or in
a preview would be. What a refresh that precedes an ``up`` finds isn't counted as a change: it touches the state only.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from donvi.fleet.model import QUIET, Change, Notice, Operation, PropertyChange, Step
from donvi.plugin.wire import SECRET, SENTINELS, SIGNATURE
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HIDDEN = "[secret]"
UNKNOWN = "[unknown]"
MANDATORY = "mandatory"
INTERNAL = "__"
"""How names begin that a provider keeps for itself, such as the Kubernetes SDK's ``__internal``."""
NOISE = ("update failed", "preview failed", "program exited with non-zero exit code: 1")
"""What the engine adds to the errors themselves."""

_FOUND = re.compile(r"using pulumi-\S+ from \$PATH at \S+")
"""Where a plugin was found: the engine warns of what is meant so, in every run of every stack."""

_PHASES = (("resourcePreEvent", "begun"), ("resOutputsEvent", "done"), ("resOpFailedEvent", "failed"))
_REPLACING = frozenset({"replace", "create-replacement"})  # a `delete-replaced` alone is what an earlier run left
_ROOT = "pulumi:pulumi:Stack"
_COLOUR = re.compile(r"<\{%[^%]*%\}>")
_KEYS = re.compile(r"""\[(?P<index>\d+)\]|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]|\.?(?P<name>[^.\[\]]+)""")


@dataclass
class Events:
    """Reads the events of one operation of one stack.

    :ivar counts: operation to number of resources, once the engine has summed up.
    :ivar notices: what was said, in order, each once.
    """

    stack: str
    operation: Operation
    counts: dict[str, int] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    _changes: dict[str, Change] = field(default_factory=dict)
    _refreshing: set[str] = field(default_factory=set)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What was touched, or in a preview would be, by resource."""
        return tuple(sorted(self._changes.values(), key=lambda change: change.urn))

    def read(self, event: Mapping[str, Any]) -> Step | None:
        """Take one event; returns the step it tells of, if it does."""
        if summed := event.get("summaryEvent"):
            self.counts = {op: count for op, count in (summed.get("resourceChanges") or {}).items() if count}
        elif told := event.get("diagnosticEvent"):
            self._say(_diagnostic(told))
        elif judged := event.get("policyEvent"):
            self._say(_judgement(judged))
        for key, state in _PHASES:
            if key in event:
                return self._step(event[key]["metadata"], state)
        return None

    def _say(self, notice: Notice | None) -> None:
        if notice is not None and notice not in self.notices:
            self.notices.append(notice)

    def _step(self, metadata: Mapping[str, Any], state: str) -> Step:
        urn, op = metadata["urn"], metadata["op"]
        found_by_refresh = self._of_refresh(urn, op, state)
        if state == "done" and op not in QUIET and not found_by_refresh:
            self._changed(metadata)
        shown = "refresh" if found_by_refresh else op
        return Step(self.stack, shown, metadata["type"], name_of(urn), state)

    def _of_refresh(self, urn: str, op: str, state: str) -> bool:
        """Whether a step belongs to the refresh before an ``up``; its end carries the operation that drift would be."""
        if self.operation is Operation.REFRESH:
            return False
        if state == "begun":
            if op == "refresh":
                self._refreshing.add(urn)
            return op == "refresh"
        if urn in self._refreshing:
            self._refreshing.discard(urn)
            return True
        return False

    def _changed(self, metadata: Mapping[str, Any]) -> None:
        change = change_of(metadata)
        if change.kind == _ROOT:
            return
        before = self._changes.get(change.urn)
        if before is None or (change.op == "replace" and not (before.op == "replace" and before.properties)):
            self._changes[change.urn] = change


def name_of(urn: str) -> str:
    """Return the logical name in a URN."""
    return urn.rpartition("::")[2]


def change_of(metadata: Mapping[str, Any]) -> Change:
    """Return the change that an event's metadata describes."""
    op: str = metadata["op"]
    kind = "replace" if op in _REPLACING else "delete" if op.startswith("delete") else op
    return Change(kind, metadata["type"], metadata["urn"], tuple(sorted(_properties(metadata))))


def plain(value: Any) -> Any:
    """Return a value of the engine with secrets and unknowns replaced by their names, wherever they stand."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return HIDDEN
        return {key: plain(item) for key, item in value.items() if not key.startswith(INTERNAL)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return UNKNOWN if value in SENTINELS else redact(value)
    return value


def _properties(metadata: Mapping[str, Any]) -> Iterable[PropertyChange]:
    old, new = metadata.get("old") or {}, metadata.get("new") or {}
    if old and new:
        yield from _differences(metadata, old, new)
    elif new:
        for name, value in plain(new.get("inputs", {})).items():
            yield PropertyChange(name, "add", None, _text(value))
    else:
        for name, value in plain(old.get("inputs", {})).items():
            yield PropertyChange(name, "delete", _text(value), None)


def _differences(
    metadata: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterable[PropertyChange]:
    detailed = metadata.get("detailedDiff")
    if detailed is None:
        replacing = set(metadata.get("keys") or ())
        detailed = {
            name: {"diffKind": "update-replace" if name in replacing else "update", "inputDiff": True}
            for name in {*(metadata.get("diffs") or ()), *replacing}
        }
    for path, difference in detailed.items():
        side = "inputs" if difference.get("inputDiff") else "outputs"
        before, after = value_at(old.get(side, {}), path), value_at(new.get(side, {}), path)
        yield PropertyChange(path, difference["diffKind"], before, after)


def value_at(values: Any, path: str) -> str | None:
    """Return the value at a path as JSON, ``None`` if nothing is there."""
    for match in _KEYS.finditer(path):
        if isinstance(values, dict) and values.get(SIGNATURE) == SECRET:
            break
        try:
            if match["index"] is not None:
                values = values[int(match["index"])]
            else:
                values = values[match["name"] if match["quoted"] is None else json.loads(f'"{match["quoted"]}"')]
        except (KeyError, IndexError, TypeError):
            return None
    return _text(values)


def _text(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False, sort_keys=True)


def _diagnostic(told: Mapping[str, Any]) -> Notice | None:
    severity = str(told.get("severity", "")).partition("#")[0]
    message = _clean(told.get("message", ""))
    if severity not in {"info", "warning", "error"} or told.get("ephemeral") or not message:
        return None
    if (severity == "error" and message in NOISE) or _FOUND.fullmatch(message):
        return None
    return Notice(severity, message, told.get("urn", ""))


def _judgement(judged: Mapping[str, Any]) -> Notice:
    severity = "error" if judged.get("enforcementLevel") == MANDATORY else "warning"
    return Notice(severity, _clean(judged["message"]), judged.get("resourceUrn", ""), judged["policyName"])


def _clean(message: str) -> str:
    """Return a message without colours and secrets, trimmed line by line."""
    lines = (line.strip() for line in _COLOUR.sub("", message).splitlines())
    return redact("\n".join(line for line in lines if line))
