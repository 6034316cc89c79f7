"""The engine's encoding of values, there and back."""

from __future__ import annotations

import pytest
from google.protobuf import struct_pb2

from donvi.plugin.wire import SENTINEL, SENTINELS, UNKNOWN, decode, encode, has_unknown, known


def test_plain_values_survive_the_round_trip() -> None:
    values = {"text": "Phường Vũng Tàu", "number": 7, "half": 0.5, "yes": True, "list": [1, "x", {}], "map": {"a": []}}
    assert decode(encode(values)) == values
    assert isinstance(decode(encode({"number": 7}))["number"], int)


def test_every_sentinel_of_the_engine_is_unknown_and_unknown_is_a_sentinel() -> None:
    for sentinel in SENTINELS:
        assert decode(struct_pb2.Struct(fields={"x": struct_pb2.Value(string_value=sentinel)})) == {"x": UNKNOWN}
    assert encode({"x": [UNKNOWN]}).fields["x"].list_value.values[0].string_value == SENTINEL


def test_unknowns_are_found_at_any_depth() -> None:
    assert has_unknown({"a": [{"b": UNKNOWN}]})
    assert known({"a": 1, "b": ["x", UNKNOWN]}) == {"a": 1}


def test_secrets_and_output_values_are_unwrapped() -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "s"}
    output = {"4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4"}
    assert decode(encode({"secret": secret, "output": output})) == {"secret": "s", "output": UNKNOWN}


def test_null_is_absence_and_a_reference_is_refused() -> None:
    assert decode(encode({"x": None})) == {}
    with pytest.raises(ValueError, match="no inputs of this provider"):
        decode(encode({"x": {"4dabf18193072939515e22adb298388d": "5cf8f73096256a8f31e491e813e4eb8e"}}))


def test_a_number_that_a_double_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="declare the field as text"):
        encode({"x": 2**53 + 1})
