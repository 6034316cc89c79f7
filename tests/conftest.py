"""Which tests may run beside which: the rooms that change the same servers run one after the other, the others beside.

Only read by ``pytest -n N --dist loadgroup``; without it, everything runs in one process, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CITY = ("backends", "engine", "acceptance", "faults")
THROW_AWAY = ("lab",)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test the group in which nothing else runs at the same time."""
    for item in items:
        group = _group(item.path.relative_to(config.rootpath / "tests"), getattr(item, "fixturenames", ()))
        if group:
            item.add_marker(pytest.mark.xdist_group(group))


def _group(path: Path, fixtures: tuple[str, ...]) -> str:
    room = path.parts[0]
    if room in THROW_AWAY:
        return "throw-away lab"
    if room == "engine" and "project" in fixtures and "lab" not in fixtures:
        return str(path)  # a project of its own with toy handlers
    return "city" if room in CITY else ""
