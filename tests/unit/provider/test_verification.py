"""When a verification asks again, as the engine decides it."""

from __future__ import annotations

import pytest

from donvi.provider.handlers.verify import VerificationHandler

BEFORE, AFTER = "2026-11-24T16:42:06Z", "2026-11-24T16:50:00Z"


@pytest.mark.parametrize(
    ("name", "old", "new", "asks"),
    [
        ("depends", {"apps": BEFORE}, {"apps": AFTER}, True),
        ("depends", {"apps": BEFORE}, {"apps": ""}, False),
        ("depends", {}, {"apps": BEFORE}, True),
        ("versions", {"apps": "f0"}, {"apps": "0f"}, True),
        ("versions", {"apps": "0f"}, {"apps": "f0"}, True),
        ("versions", {"apps": "f0"}, {"apps": "f0"}, False),
        ("versions", {}, {"apps": "f0"}, True),
        ("digest", "f0", "0f", True),
    ],
)
def test_a_later_change_or_any_other_version_is_a_reason(name: str, old: object, new: object, *, asks: bool) -> None:
    """A version has no order: comparing it like a time would overlook every second repair."""
    assert VerificationHandler().same(name, old, new) is not asks  # type: ignore[arg-type]
