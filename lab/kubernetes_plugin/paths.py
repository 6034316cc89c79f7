"""Where a value is inside an object: as a tuple of keys and indexes, and as the engine writes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Path: TypeAlias = "tuple[str | int, ...]"
MISSING: Any = object()
_NAME = re.compile(r"[A-Za-z_$][\w$-]*")
_STEP = re.compile(r"""\[(\d+|\*)\]|\["((?:[^"\\]|\\.)*)"\]|\.?([^.\[]+)""")


def written(path: Path) -> str:
    """Return the path as the engine writes it: ``spec.containers[0].env``, ``metadata.labels["a/b"]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _NAME.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += '["' + step.replace("\\", "\\\\").replace('"', '\\"') + '"]'
    return text


def parsed(text: str) -> Path:
    """Return the path that the engine, or the API server in an error, wrote; ``*`` stays text."""
    steps: list[str | int] = []
    for index, quoted, name in _STEP.findall(text):
        if index:
            steps.append(index if index == "*" else int(index))
        else:
            steps.append(quoted.replace('\\"', '"') if quoted else name)
    return tuple(steps)


def within(path: Path, prefixes: Iterable[Path]) -> bool:
    """Say whether the path is one of the prefixes or below one; ``*`` in a prefix stands for any index."""
    return any(
        len(prefix) <= len(path) and all(_meets(one, other) for one, other in zip(prefix, path, strict=False))
        for prefix in prefixes
    )


def _meets(pattern: str | int, step: str | int) -> bool:
    return pattern == step or (pattern == "*" and isinstance(step, int))


def at(value: Any, path: Path) -> Any:
    """Return what is at a path, :data:`MISSING` if there is nothing."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else MISSING
        else:
            value = value.get(step, MISSING) if isinstance(value, dict) else MISSING
    return value
