"""Turns properties into a handler's typed inputs, and says per property what doesn't fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from donvi.errors import DataError
from donvi.plugin.wire import UNKNOWN, has_unknown
from donvi.provider.handler import Failure, Inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from donvi.plugin.wire import Properties, Value
    from donvi.provider.handler import JSON

I = TypeVar("I", bound=Inputs)  # noqa: E741 - as in handler.py


def fields(kind: type[Inputs]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of an input type; ``encode_name`` is the property's name on the wire."""
    return msgspec.structs.fields(kind)


def failures(kind: type[Inputs], properties: Mapping[str, Value]) -> list[Failure]:
    """Say what is wrong with properties, one entry per property; unknown values are taken to be right."""
    expected = {field.encode_name: field for field in fields(kind)}
    found = [
        Failure(name, f"this type has no such property; it has {', '.join(sorted(expected))}")
        for name in properties
        if name not in expected
    ]
    for name, field in expected.items():
        if name not in properties:
            if field.required:
                found.append(Failure(name, "a value is required; give it one"))
        elif not has_unknown(properties[name]):
            try:
                msgspec.convert(properties[name], field.type)
            except msgspec.ValidationError as error:
                found.append(Failure(name, f"{str(error).replace('`$', f'`{name}')}; correct its type"))
    return found


def inputs(kind: type[I], properties: Mapping[str, Value]) -> I:
    """Decode properties that are all known.

    :raises DataError: a property doesn't fit; :func:`failures` says which.
    """
    try:
        return msgspec.convert(dict(properties), kind)
    except msgspec.ValidationError as error:
        raise DataError(f"properties don't fit {kind.__name__}: {error}", hint="correct the program's inputs") from None


def stored(kind: type[I], properties: Mapping[str, Value], fallback: I | None = None) -> I:
    """Decode inputs from state, which an older version of the program may have written.

    Properties that don't exist any more are left out; missing or misfitting ones are taken from ``fallback``.

    :raises DataError: something required is missing and there is no fallback.
    """
    defaults = cast("Properties", plain(fallback)) if fallback is not None else {}
    chosen: dict[str, Any] = {}
    for field in fields(kind):
        name = field.encode_name
        for source in (properties, defaults):
            if name in source and _fits(source[name], field.type):
                chosen[name] = source[name]
                break
    return inputs(kind, chosen)


def plain(value: Inputs) -> dict[str, JSON]:
    """Return typed inputs as properties in their normal form: defaults filled in, absent values left out."""
    return {name: item for name, item in _json(value).items() if item is not None}


def normal(kind: type[Inputs], properties: Mapping[str, Value]) -> Properties:
    """Return properties with the type's defaults filled in where they are absent; unknown values stay unknown."""
    filled: Properties = {}
    for field in fields(kind):
        name = field.encode_name
        if name in properties:
            filled[name] = properties[name]
        elif field.default is not msgspec.NODEFAULT and field.default is not None:
            filled[name] = _json(field.default)
        elif field.default_factory is not msgspec.NODEFAULT:
            filled[name] = _json(field.default_factory())
    return filled


def _json(value: object) -> Any:
    """Return a value as it comes from the wire: tuples are lists there."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _fits(value: Value, kind: object) -> bool:
    if value is UNKNOWN:
        return False
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True
