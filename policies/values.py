"""Walking through inputs: every place a pattern names, what is missing, and what isn't known yet.

A pattern is a property path with ``[*]`` for every element of a list and ``.*`` for every key of a map:
``spec.containers[*].image``. A missing leaf is ``None``, like an explicit null; a missing list or map has no elements.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from policies.model import Finding, Undecided

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from policies.model import Outcome


class _Unknown:
    """The one value that stands for what only ``up`` will know."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("an unknown value is neither true nor false: compare with `is UNKNOWN`")


UNKNOWN: Final = _Unknown()
_STEP = re.compile(r"\[\*\]|[^.\[\]]+")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Item(NamedTuple):
    """A place and its value; :data:`UNKNOWN` where it, or what holds it, isn't known yet."""

    path: str
    value: Any


def key(path: str, name: str) -> str:
    """Return the path of a map's entry, quoted when its name isn't a plain word."""
    if not _PLAIN.fullmatch(name):
        return f'{path}["{name}"]'
    return f"{path}.{name}" if path else name


def walk(value: Any, pattern: str, path: str = "") -> Iterator[Item]:
    """Yield every place that a pattern names below a value."""
    yield from _walk(value, _STEP.findall(pattern), path)


def _walk(value: Any, steps: list[str], path: str) -> Iterator[Item]:
    if value is UNKNOWN or not steps:
        yield Item(path, value)
        return
    step, rest = steps[0], steps[1:]
    if step == "[*]":
        for number, element in enumerate(value if isinstance(value, list) else ()):
            yield from _walk(element, rest, f"{path}[{number}]")
    elif step == "*":
        for name, element in value.items() if isinstance(value, dict) else ():
            yield from _walk(element, rest, key(path, name))
    else:
        inner = value.get(step) if isinstance(value, dict) else None
        yield from _walk(inner, rest, key(path, step))


def expect(
    value: Any, pattern: str, test: Callable[[Any], bool], expected: str, *, path: str = ""
) -> Iterator[Outcome]:
    """Yield a finding at every place that a pattern names and whose value fails a test.

    :param test: gets the value, ``None`` where it is missing.
    :param expected: shape for the finding.
    """
    for place, found in walk(value, pattern, path):
        if found is UNKNOWN:
            yield Undecided(place)
        elif not test(found):
            yield Finding(place, expected)


def leaves(value: Any, path: str = "") -> Iterator[Item]:
    """Yield every scalar below a value, unknown ones too."""
    if isinstance(value, dict):
        for name, element in value.items():
            yield from leaves(element, key(path, name))
    elif isinstance(value, list):
        for number, element in enumerate(value):
            yield from leaves(element, f"{path}[{number}]")
    else:
        yield Item(path, value)


def is_text(value: Any) -> bool:
    """Whether the value is a text that isn't empty."""
    return isinstance(value, str) and value != ""


def is_(wanted: Any) -> Callable[[Any], bool]:
    """Return a test for exactly this value; ``1`` isn't ``True``."""
    return lambda value: type(value) is type(wanted) and value == wanted


def absent_or(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a test that a missing value passes, too."""
    return lambda value: value is None or test(value)


def label(inputs: Any, name: str) -> Item:
    """Return a Kubernetes object's label; names of labels hold dots and slashes, so no pattern reaches them."""
    place = next(walk(inputs, "metadata.labels"))
    if place.value is UNKNOWN:
        return place
    return Item(key(place.path, name), place.value.get(name) if isinstance(place.value, dict) else None)
