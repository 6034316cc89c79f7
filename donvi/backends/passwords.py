"""Passwords that donvi makes itself: what a person gets for the first login, and what a probe logs in with.

They exist in memory, in the directory (hashed) and in Vault, and nowhere else: never in an argument, a log or a state.
"""

from __future__ import annotations

import secrets

READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
"""Letters and digits that nobody mistakes for one another on paper or on the telephone."""


def first_password() -> str:
    """Make a password that a person types once: four groups of four, 79 bits."""
    groups = ("".join(secrets.choice(READABLE) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def machine_password() -> str:
    """Make a password that only programs read, 256 bits."""
    return secrets.token_urlsafe(32)
