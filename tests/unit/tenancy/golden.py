"""The tenancy of one unit as lines that a person can review: one per thing, in the description's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.tenancy.model import Tenancy


def lines(tenancy: Tenancy, base: str) -> Iterator[str]:
    """Yield ``section field=value …``; the directory's base is written as ``BASE``."""
    for section, things in msgspec.to_builtins(tenancy).items():
        for thing in (things,) if isinstance(things, dict) else things:
            fields = " ".join(f"{name}={_value(value)}" for name, value in thing.items() if value not in ("", ()))
            yield f"{section} {fields}".replace(base, "BASE")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ":".join(_value(part) for part in value.values())
    if isinstance(value, tuple):
        return f"[{'; '.join(map(_value, value))}]"
    return str(value)
