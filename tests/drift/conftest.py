"""Drift is seeded on the real lab, on every type of resource of the platform and one pilot unit, and repaired."""

from __future__ import annotations

import pytest

from tests.support.lab import Lab


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()
