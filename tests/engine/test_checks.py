"""Bad input is refused with the resource's and the property's name and the remedy, before anything happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.engine.project import Project


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("size=5000", "size value {5000} has a problem: at most 1000; make it smaller"),
        ("colour='red'", "this type has no such property"),
        ("name=None", "a value is required; give it one"),
        ("note=good.serial, size='many'", "Expected `int`, got `str`; correct its type"),
    ],
)
def test_a_wrong_input_is_named_even_beside_unknown_ones(project: Project, inputs: str, expected: str) -> None:
    project.program(f'good = Thing("good"); Thing("bad", {inputs})')
    shown = " ".join(project.preview(fails=True).split())
    assert "resource 'bad'" in shown
    assert expected in shown
    assert project.calls() == []


def test_an_unknown_resource_type_is_named(project: Project) -> None:
    project.program('CustomResource("donvi:toy:Thin", "ao", {})')
    assert "there is no resource type donvi:toy:Thin" in project.preview(fails=True)
