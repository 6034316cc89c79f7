"""YAML files: a small, safe part of the language, with the position of every value.

Accepted are mappings, sequences and scalars of YAML's core schema. Anchors, aliases, tags, several documents and
doubled keys are refused: nobody needs them in the city's data, and aliases are how a small file becomes a huge one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from donvi.errors import DataError
from donvi.registry.files import read_text, shown
from donvi.registry.text import problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T = TypeVar("T")

_DEEPEST = 12
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_AT = re.compile(r" - at `(?P<path>[^`]*)`$")
_FIELD = re.compile(r"unknown field `(?P<name>[^`]*)`")


@dataclass(frozen=True)
class Document:
    """A YAML file as plain values; ``positions`` maps a path such as ``$.roles[0].id`` to row and column."""

    file: str
    data: Any
    positions: dict[str, tuple[int, int]] = field(repr=False)

    def position(self, path: str) -> tuple[int, int]:
        """Row and column of a value, or of what holds it when the value itself isn't written."""
        while path not in self.positions and path != "$":
            path = path[: max(path.rfind("."), path.rfind("["))]
        return self.positions.get(path, (1, 1))

    def error(self, path: str, message: str, hint: str = "") -> DataError:
        """Return an error at a value of this file, to raise."""
        row, column = self.position(path)
        return DataError(message, file=self.file, row=row, column=column, hint=hint)

    def parse(self, kind: type[T]) -> T:
        """Return the document as a frozen type.

        :raises DataError: a field is missing, unknown or of the wrong form.
        """
        try:
            return msgspec.convert(self.data, kind)
        except msgspec.ValidationError as error:
            raise self._explain(str(error)) from error

    def _explain(self, text: str) -> DataError:
        match = _AT.search(text)
        path = match["path"] if match else "$"
        message = text[: match.start()] if match else text
        if unknown := _FIELD.search(message):
            path = f"{path}.{unknown['name']}"
        return self.error(path, f"{message} ({path})", "the file's schema lists what may stand here")


def read_document(path: Path) -> Document:
    """Read a YAML file.

    :raises DataError: not YAML, or a part of YAML that isn't accepted; with row and column.
    """
    import yaml  # 30 ms that `import donvi.registry` need not pay

    file = shown(path)
    events = yaml.parse(read_text(path), Loader=yaml.CSafeLoader)
    try:
        return _Reader(file, events).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        row, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise DataError(f"isn't YAML: {error.problem or error.context}", file=file, row=row, column=column) from error
    except yaml.YAMLError as error:
        raise DataError("isn't YAML: it holds a character that YAML forbids", file=file) from error


class _Reader:
    """Builds values from the parser's events, so that nothing is expanded before it was looked at."""

    def __init__(self, file: str, events: Iterator[Any]) -> None:
        self.file = file
        self.events = events
        self.positions: dict[str, tuple[int, int]] = {}

    def document(self) -> Document:
        self._next("StreamStart")
        self._next("DocumentStart")
        data = self._value(next(self.events), "$", 0)
        self._next("DocumentEnd")
        self._next("StreamEnd")
        return Document(self.file, data, self.positions)

    def _next(self, kind: str) -> Any:
        event = next(self.events)
        if type(event).__name__ != f"{kind}Event":
            raise self._refuse(event, "the file must hold exactly one document")
        return event

    def _refuse(self, event: Any, message: str, hint: str = "") -> DataError:
        mark = event.start_mark
        return DataError(message, file=self.file, row=mark.line + 1, column=mark.column + 1, hint=hint)

    def _value(self, event: Any, path: str, depth: int) -> Any:
        self.positions.setdefault(path, (event.start_mark.line + 1, event.start_mark.column + 1))
        if getattr(event, "anchor", None) is not None:
            raise self._refuse(event, "anchors and aliases (& and *) aren't allowed", "write the value out")
        if getattr(event, "tag", None) is not None:
            raise self._refuse(event, "tags (!) aren't allowed", "write a plain value")
        if depth > _DEEPEST:
            raise self._refuse(event, f"nested deeper than {_DEEPEST} levels")
        name = type(event).__name__
        if name == "ScalarEvent":
            return self._scalar(event)
        if name == "SequenceStartEvent":
            return self._sequence(path, depth)
        if name == "MappingStartEvent":
            return self._mapping(path, depth)
        raise self._refuse(event, "the file is empty", "write the fields that the schema asks for")

    def _sequence(self, path: str, depth: int) -> list[Any]:
        values: list[Any] = []
        while type(event := next(self.events)).__name__ != "SequenceEndEvent":
            values.append(self._value(event, f"{path}[{len(values)}]", depth + 1))
        return values

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            key = self._value(event, f"{path}.", depth + 1)
            if not isinstance(key, str):
                raise self._refuse(event, "a key must be a word", "quote it")
            if key in values:
                raise self._refuse(event, f"the key {key!r} stands twice", "remove one")
            values[key] = self._value(next(self.events), f"{path}.{key}", depth + 1)
        return values

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if not event.style:
            if text in _CONSTANTS:
                return _CONSTANTS[text]
            if _INTEGER.fullmatch(text):
                return int(text)
        if wrong := problem(text):
            raise self._refuse(event, *wrong)
        return text
