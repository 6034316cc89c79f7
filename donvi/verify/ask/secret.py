"""A secret that can't be printed by accident: pytest shows the values of a failed assertion, loggers show arguments."""

from __future__ import annotations

HIDDEN = "•••"


class Secret:
    """Holds a text; ``reveal()`` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself, to be handed to a client and to nothing else."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __reduce__(self) -> str:
        raise TypeError("a secret is never serialised")
