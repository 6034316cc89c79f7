"""Every unit that has a roster, and so a stack, is open; each is asked in a process of its own."""

import pytest

from donvi.registry import load_city
from donvi.verify import verify


@pytest.mark.parametrize("code", sorted(load_city().people))
def test_a_unit_is_open(code):
    verify(code).require_open()
