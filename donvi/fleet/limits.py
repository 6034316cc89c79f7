"""How much a run may remove before somebody has to say so. Pure but for the looking itself.

What would be deleted is known from a look at every stack first. Where no limit was set nothing is looked at twice: a
preview costs as much as an ``up`` that changes nothing. Stacks that don't exist yet can lose nothing and aren't looked
at, so a limit costs nothing where units are opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from donvi.errors import UsageError
from donvi.fleet.model import Operation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.fleet.model import Result
    from donvi.fleet.records import Settings

DELETING = ("delete", "replace")
"""Operations of the engine that remove something real; a replacement does."""

NAMED = 5


class Removal(msgspec.Struct, frozen=True):
    """What a run would remove.

    :param stacks: each stack that would lose something, with how much.
    """

    stacks: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        """How many resources over all stacks."""
        return sum(count for _, count in self.stacks)

    def __str__(self) -> str:
        most = sorted(self.stacks, key=lambda pair: (-pair[1], pair[0]))
        more = f" and {len(most) - NAMED} more stacks" if len(most) > NAMED else ""
        return ", ".join(f"{stack} {count}" for stack, count in most[:NAMED]) + more


def must_look(operation: Operation, settings: Settings) -> bool:
    """Whether the stacks must be looked at before anything is changed."""
    return operation is Operation.DESTROY or (operation is Operation.UP and settings.max_deletes is not None)


def removal(results: Iterable[Result]) -> Removal:
    """Add up what would be removed."""
    counted = ((result.stack, sum(result.counts.get(op, 0) for op in DELETING)) for result in results)
    return Removal(tuple(sorted((stack, count) for stack, count in counted if count)))


def needs_word(operation: Operation, settings: Settings, found: Removal) -> bool:
    """Whether somebody must say the number of what would be removed."""
    if operation is Operation.DESTROY:
        return found.count > 0
    return settings.max_deletes is not None and found.count > settings.max_deletes


def require(found: Removal, said: int | None) -> None:
    """Let only somebody go on who says how many resources will be removed.

    :param said: what was typed or given as ``--confirm``; ``None`` when nobody could be asked.
    :raises UsageError: nothing or another number was said; nothing was changed.
    """
    if said is None:
        raise UsageError(
            f"{found.count} resources would be deleted ({found}) and nobody confirmed it; nothing was changed",
            hint=f"if that is meant, say --confirm {found.count}",
        )
    if said != found.count:
        raise UsageError(
            f"{found.count} resources would be deleted ({found}), not {said}; nothing was changed",
            hint="look at the preview, then say the number again",
        )
