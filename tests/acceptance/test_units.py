"""Every unit that has machines in this lab is open; each is asked in a process of its own."""

import os

import pytest

from donvi.deployment import parse, text_from_environment
from donvi.errors import UsageError
from donvi.registry import load_city
from donvi.tenancy import describe
from donvi.verify import verify


def units_with_machines():
    city = load_city()
    try:
        known = parse(text_from_environment(os.environ))
    except UsageError as error:
        return [pytest.param("", marks=pytest.mark.skip(str(error)))]
    return [code for code in city.units if all(known.has(end.id) for end in describe(city, code).endpoints)]


@pytest.mark.parametrize("code", units_with_machines())
def test_a_unit_is_open(code):
    verdict = verify(code)
    verdict.require_open()
    assert verdict.open
