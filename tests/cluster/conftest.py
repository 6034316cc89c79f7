"""The lab's cluster; without one the tests are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.settings import LabSettings
from tests.cluster.units import Units

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def units() -> Iterator[Units]:
    if not (LabSettings.from_environment().home / "images.json").exists():
        pytest.skip("there is no lab with a cluster: `make up`")
    made = Units()
    made.remove()  # what a killed run left
    try:
        made.make()
        yield made
    finally:
        made.remove()
