"""All rules, and which of them look at a type of resource."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Final

from policies.model import Rule, StackRule
from policies.rules import access, flows, identity, isolation, ownership, secrets, workloads

if TYPE_CHECKING:
    from policies.model import About

ALL: Final[tuple[Rule | StackRule, ...]] = (
    *isolation.RULES,
    *flows.RULES,
    *identity.RULES,
    *access.RULES,
    *workloads.RULES,
    *secrets.RULES,
    *ownership.RULES,
)
"""Every rule, grouped by subject."""

RESOURCE_RULES: Final = tuple(rule for rule in ALL if isinstance(rule, Rule))
STACK_RULES: Final = tuple(rule for rule in ALL if isinstance(rule, StackRule))


def by_id() -> dict[str, About]:
    """Return the rules by their ids."""
    return {rule.id: rule for rule in ALL}


@cache
def rules_for(type_: str) -> tuple[Rule, ...]:
    """Return the rules that look at a type of resource."""
    return tuple(rule for rule in RESOURCE_RULES if any(fnmatchcase(type_, pattern) for pattern in rule.looks_at))


@cache
def matters_to_stack_rules(type_: str) -> bool:
    """Whether any rule about whole stacks looks at the type."""
    return any(fnmatchcase(type_, pattern) for rule in STACK_RULES for pattern in rule.looks_at)
