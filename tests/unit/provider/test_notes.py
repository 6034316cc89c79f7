"""What a resource says beside a preview or a refresh, and outputs that a read changes one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from donvi.plugin.wire import UNKNOWN
from donvi.provider.adapter import Adapter
from donvi.provider.handler import Found, Handler, Inputs, Registry, Result, handler
from donvi.provider.services import Services
from tests.support.fixtures import deployment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.plugin.wire import Properties


class SaidInputs(Inputs, frozen=True, kw_only=True):
    text: str


@handler("donvi:notes:Said", inputs=SaidInputs)
class SaidHandler(Handler[SaidInputs]):
    def preview(self, services: Services, old: SaidInputs | None, new: SaidInputs) -> Iterable[str]:
        return [f"{old.text if old else 'nothing'} becomes {new.text}"]

    def create(self, services: Services, new: SaidInputs) -> Result:
        return Result("id", {"seen": 0}, notes=("made",))

    def read(self, services: Services, id: str, known: SaidInputs | None) -> Found | None:
        assert known is not None
        return Found(id, known, None, over={"drift": ["rules"]}, notes=("drifted",))


@handler("donvi:notes:Silent", inputs=SaidInputs)
class SilentHandler(Handler[SaidInputs]):
    pass


def adapter() -> Adapter:
    return Adapter(Registry("tests.unit.provider"), lambda: Services(deployment(), {}))


def given(text: object) -> Properties:
    return cast("Properties", {"unit": "26506", "key": "a", "text": text})


def test_a_preview_is_told_what_was_and_what_will_be() -> None:
    assert adapter().preview_notes("donvi:notes:Said", None, given("b")) == ["nothing becomes b"]
    assert adapter().preview_notes("donvi:notes:Said", given("a"), given("b")) == ["a becomes b"]


def test_inputs_that_nobody_knows_yet_are_not_looked_at_and_that_is_said() -> None:
    (line,) = adapter().preview_notes("donvi:notes:Said", None, given(UNKNOWN))
    assert line.startswith("not checked: some of its inputs are known only")


def test_most_resources_say_nothing_and_open_nothing() -> None:
    def fails() -> Services:
        raise AssertionError("a preview of this resource needs no system")

    silent = Adapter(Registry("tests.unit.provider"), fails)
    assert silent.preview_notes("donvi:notes:Silent", None, given("b")) == []


def test_a_read_may_change_one_output_and_keep_the_others() -> None:
    made = adapter().create("donvi:notes:Said", given("a"))
    assert made.notes == ("made",)
    state = cast("Properties", {**made.properties, "drift": []})
    real = adapter().read("donvi:notes:Said", "id", given("a"), state)
    assert real is not None
    assert (real.properties["seen"], real.properties["drift"], real.notes) == (0, ["rules"], ("drifted",))
