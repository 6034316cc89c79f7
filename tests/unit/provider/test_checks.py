"""Decoding of inputs: what is wrong, per property, and what older states look like."""

from __future__ import annotations

import pytest

from donvi.errors import DataError, UsageError
from donvi.plugin.changes import Change
from donvi.plugin.wire import UNKNOWN
from donvi.provider import decode
from donvi.provider.difference import compare
from donvi.provider.handler import Handler, Inputs, Registry, handler


class BoxInputs(Inputs, frozen=True, kw_only=True):
    """A box of an example."""

    name: str
    quota_mb: int = 16
    readers: tuple[str, ...] = ()


GOOD = {"unit": "26506", "key": "box", "name": "x"}


def test_each_wrong_property_is_named_once() -> None:
    found = decode.failures(BoxInputs, {"unit": "26506", "name": 3, "quotaMb": UNKNOWN, "color": "red"})
    assert [failure.property for failure in found] == ["color", "key", "name"]
    assert "it has key, name, quotaMb, readers, unit" in found[0].reason


def test_the_normal_form_fills_in_defaults_and_keeps_unknowns() -> None:
    assert decode.normal(BoxInputs, {**GOOD, "name": UNKNOWN}) == {
        **GOOD,
        "name": UNKNOWN,
        "quotaMb": 16,
        "readers": [],
    }
    assert decode.plain(decode.inputs(BoxInputs, GOOD)) == {**GOOD, "quotaMb": 16, "readers": []}


def test_a_state_of_an_older_version_is_understood() -> None:
    old = {**GOOD, "quotaMb": "many", "colour": "red"}
    assert decode.stored(BoxInputs, old).quota_mb == 16
    fallback = decode.inputs(BoxInputs, {**GOOD, "quotaMb": 5})
    assert decode.stored(BoxInputs, {"unit": "1", "key": "k"}, fallback).quota_mb == 5
    with pytest.raises(DataError):
        decode.stored(BoxInputs, {"unit": "1"})


def test_a_comparison_tells_added_removed_and_replacing_properties_apart() -> None:
    found = compare(
        {"a": 1, "gone": 1, "same": [1]},
        {"a": 2, "new": 1, "same": [1], "later": UNKNOWN},
        replace_on={"a"},
        same=lambda _, old, new: old == new,
    )
    assert found.properties == {"a": Change.UPDATE, "new": Change.ADD, "later": Change.ADD, "gone": Change.DELETE}
    assert found.replaces == ["a"]


def test_a_handler_that_replaces_on_something_else_than_an_input_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="quota_mb"):
        handler("donvi:example:Box", inputs=BoxInputs, replace_on={"quota_mb"})(Handler)


@pytest.mark.parametrize("token", ["donvi:nothing:Here", "donvi:verify:Nothing", "x", "donvi:../x:Y"])
def test_an_unknown_token_is_a_clear_error(token: str) -> None:
    with pytest.raises(UsageError, match="there is no resource type"):
        Registry().find(token)
