"""Bad input is refused with the property's name and the remedy, before anything happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.engine.project import Project


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("size=5000", "size value {5000} has a problem at most 1000; make it smaller"),
        ("size='many'", "size"),
        ("size=1.5", "size"),
        ("tags='x'", "tags"),
        ("colour='red'", "colour"),
        ("name=None", "a value is required; give it one"),
    ],
)
def test_a_wrong_input_names_the_property(project: Project, inputs: str, expected: str) -> None:
    project.program(f'Thing("ao", {inputs})')
    shown = " ".join(project.preview(fails=True).replace(":", " ").split())
    assert "ao" in shown
    assert expected in shown
    assert project.calls() == []


def test_known_properties_are_checked_even_beside_unknown_ones(project: Project) -> None:
    project.program('a = Thing("a"); Thing("b", note=a.serial, size="many")')
    assert "size" in project.preview(fails=True)


def test_an_unknown_resource_type_is_named(project: Project) -> None:
    project.program('CustomResource("donvi:toy:Thin", "ao", {})')
    assert "there is no resource type donvi:toy:Thin" in project.preview(fails=True)
