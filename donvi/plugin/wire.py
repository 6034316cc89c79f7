"""Values as the engine sends them and as providers see them; the only place that knows the encoding.

The engine speaks ``google.protobuf.Struct`` with a few signatures inside it. What is odd there, and what is done about
it:

- a value that a preview doesn't know yet is a fixed sentinel string: here it is :data:`UNKNOWN`, an object of its own;
- every number is a double: an integral one becomes an ``int``, and an ``int`` too large for a double is refused;
- a secret is a struct with a signature around the value. A provider that accepts secrets gets a :class:`Secret`; for
  one that doesn't it is unwrapped, and the engine marks outputs secret again where the input of the same name was;
- ``null`` and an absent property mean the same: top-level nulls are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from google.protobuf import struct_pb2  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

SENTINEL: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine sends for a string that isn't known yet (``UnknownStringValue`` in its source)."""
SENTINELS: Final = frozenset(
    {
        SENTINEL,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the engine's name for the shape
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
LARGEST: Final = 2**53


class Unknown:
    """A value that only the real run will know."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that the engine encrypts in state and hides in previews."""

    value: Value

    def __repr__(self) -> str:
        return "SECRET"


Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | Unknown | Secret | None"
Properties: TypeAlias = "dict[str, Value]"


def decode(struct: struct_pb2.Struct, *, secrets: bool = False) -> Properties:
    """Turn the engine's properties into plain values, without top-level nulls.

    :param secrets: keep secrets wrapped; the provider must have told the engine that it accepts them.
    """
    values = {key: _decode(value, secrets=secrets) for key, value in struct.fields.items()}
    return {key: value for key, value in values.items() if value is not None}


def encode(properties: Mapping[str, Value | JSON]) -> struct_pb2.Struct:
    """Turn plain values into the engine's properties.

    :raises ValueError: a number is too large to travel as a double.
    :raises TypeError: a value isn't JSON.
    """
    return struct_pb2.Struct(fields={key: _encode(value) for key, value in properties.items() if value is not None})


def has_unknown(value: Value) -> bool:
    """Say whether a value is unknown or contains something that is."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    if isinstance(value, Secret):
        return has_unknown(value.value)
    return isinstance(value, Unknown)


def known(properties: Mapping[str, Value]) -> dict[str, JSON]:
    """Return the properties that are known all the way down."""
    return {key: cast("JSON", value) for key, value in properties.items() if not has_unknown(value)}


def _decode(value: struct_pb2.Value, *, secrets: bool) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text: str = value.string_value
        return UNKNOWN if text in SENTINELS else text
    if kind == "number_value":
        number: float = value.number_value
        return int(number) if number.is_integer() and abs(number) <= LARGEST else number
    if kind == "bool_value":
        return bool(value.bool_value)
    if kind == "list_value":
        return [_decode(item, secrets=secrets) for item in value.list_value.values]
    if kind == "struct_value":
        return _decode_struct(value.struct_value, secrets=secrets)
    return None


def _decode_struct(struct: struct_pb2.Struct, *, secrets: bool) -> Value:
    fields = struct.fields
    if SIGNATURE not in fields:
        return {key: _decode(item, secrets=secrets) for key, item in fields.items()}
    signature = fields[SIGNATURE].string_value
    if signature == SECRET:
        value = _decode(fields["value"], secrets=secrets)
        return Secret(value) if secrets else value
    if signature == OUTPUT:
        return _decode(fields["value"], secrets=secrets) if "value" in fields else UNKNOWN
    raise ValueError("assets, archives and resource references are no inputs of this provider; pass plain values")


def _encode(value: Any) -> struct_pb2.Value:  # noqa: PLR0911 - one return per JSON type
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, Unknown):
        return struct_pb2.Value(string_value=SENTINEL)
    if isinstance(value, Secret):
        return _encode({SIGNATURE: SECRET, "value": value.value})
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        if isinstance(value, int) and abs(value) > LARGEST:
            raise ValueError(f"{value} can't travel exactly as a number; declare the field as text")
        return struct_pb2.Value(number_value=float(value))
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, list | tuple):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_encode(item) for item in value]))
    if isinstance(value, dict):
        fields = {key: _encode(item) for key, item in value.items()}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    raise TypeError(f"{type(value).__name__} is no JSON value")
