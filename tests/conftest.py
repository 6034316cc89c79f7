"""Which tests may run beside which, for ``pytest -n``: rooms that change the same servers run one after the other.

Everything else is a group per file. The scheduler tells groups by path, not by marks: marks travel in node ids, which
pytest no longer lets a plugin rewrite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

ROOMS = {
    "tests/backends": "city",
    "tests/engine/stacks": "city",
    "tests/acceptance": "city",
    "tests/faults": "city",
    "tests/lab": "throw-away lab",
}
"""What a folder's tests work on; one worker has each, in the order of the command line."""


def group(nodeid: str) -> str:
    """Return the group of a test: no two of one group run at the same time."""
    path = nodeid.partition("::")[0]
    return next((name for folder, name in ROOMS.items() if path.startswith(f"{folder}/")), path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hand out whole groups, the largest first."""
    from xdist.scheduler import LoadScopeScheduling

    class ByRoom(LoadScopeScheduling):  # type: ignore[misc, unused-ignore]
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return ByRoom(config, log)
