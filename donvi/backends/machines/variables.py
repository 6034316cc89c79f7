"""Writes variables for Ansible so that it takes them literally."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from donvi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SURROGATE = re.compile("[\ud800-\udfff]")


def literal(values: Mapping[str, Any]) -> str:
    """Return variables as YAML in which every text is marked as no template (``{{ … }}`` stays what it is).

    :raises UsageError: a name can't be a variable, or a value isn't JSON.
    """
    for name in values:
        if not _PLAIN_NAME.fullmatch(name):
            raise UsageError(f"{name!r} can't be a variable of a playbook", hint="use lower-case letters, digits and _")
    return _value(dict(values)) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(str(name))}: {_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return f"!unsafe {_quoted(value)}"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    raise UsageError(f"{type(value).__name__} is no value for a playbook", hint="pass JSON values")


def _quoted(text: str) -> str:
    """Return a double-quoted YAML scalar: JSON's escapes are YAML's too, but for characters beyond U+FFFF."""
    if _SURROGATE.search(text):
        raise UsageError("a text for a playbook holds half a character", hint="decode it as UTF-8 first")
    return "".join(_escaped(character) for character in json.dumps(text, ensure_ascii=False))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\U{number:08x}"
