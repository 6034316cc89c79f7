"""A secret does not show where pytest, loggers and formatters print values."""

import pickle

import pytest

from donvi.verify.ask.secret import Secret

CANARY = "chim-hoang-yen-93761"


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{:>40}".format, lambda s: f"{s!r}", lambda s: str([s])])
def test_a_secret_is_not_printed(show):
    assert CANARY not in show(Secret(CANARY))


def test_a_secret_is_not_serialised():
    with pytest.raises(TypeError):
        pickle.dumps(Secret(CANARY))


def test_whoever_needs_it_gets_it():
    assert Secret(CANARY).reveal() == CANARY
