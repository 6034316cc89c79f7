"""What a rule is made of: plain frozen values, no Pulumi, no I/O.

A rule looks at one resource (:class:`Rule`) or at a whole stack (:class:`StackRule`) and yields findings. A finding
says where and what was expected, **never what was found**: inputs arrive decrypted, a message is printed and kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from policies.city import CityFacts

PLATFORM = "platform"
"""The owner of what units share."""


class Level(StrEnum):
    """What a finding does: ``mandatory`` refuses the preview and the resource, ``advisory`` is shown."""

    MANDATORY = "mandatory"
    ADVISORY = "advisory"


@dataclass(frozen=True)
class Title:
    """One sentence in both languages: what is true where the rule is kept."""

    vi: str
    en: str


@dataclass(frozen=True)
class Resource:
    """A resource as the engine knows it before anything is done.

    :param type: token, for example ``kubernetes:apps/v1:Deployment``.
    :param inputs: plain JSON values, secrets in clear, :data:`policies.values.UNKNOWN` for what only ``up`` will know.
    :param unit: code of the unit it says it belongs to, ``platform``, or empty.
    :param stack_unit: code of the unit whose stack it lies in, ``platform``, or empty for any other stack.
    :param protect: the engine's option ``protect``.
    :param custom: a provider makes it; a component only groups others.
    :param marked: paths of the inputs that are marked secret.
    """

    type: str
    name: str
    inputs: Mapping[str, Any]
    unit: str = ""
    stack_unit: str = ""
    protect: bool = False
    custom: bool = True
    marked: frozenset[str] = frozenset()
    urn: str = ""

    @property
    def kind(self) -> str:
        """Last part of the token: ``Deployment``."""
        return self.type.rpartition(":")[2]

    @property
    def owner(self) -> str:
        """Whose it is: what it says itself, else its stack's."""
        return self.unit or self.stack_unit

    @property
    def label(self) -> str:
        """Return the name in a waiver: the last two parts of its URN."""
        return f"{self.type}::{self.name}"


@dataclass(frozen=True)
class Finding:
    """A place where a rule isn't kept.

    :param path: property path, ``spec.template.spec.containers[0].image``; empty for the resource itself.
    :param expected: the shape that would do. Never the value found, nor any part of it.
    :param urn: the resource, when a rule about the stack means another one than it was given.
    """

    path: str
    expected: str
    urn: str = ""


@dataclass(frozen=True)
class Undecided:
    """A place whose value only ``up`` will know; the rule is decided then, before the resource is made."""

    path: str
    urn: str = ""


Outcome: TypeAlias = "Finding | Undecided"


@dataclass(frozen=True)
class Example:
    """A resource for which a rule is kept, or broken at ``at``; rules' tests run them.

    :param at: paths of the findings; empty for one that is kept.
    """

    type: str
    inputs: Mapping[str, Any]
    at: tuple[str, ...] = ()
    unit: str = "26506"
    stack_unit: str = "26506"
    name: str = "example"
    protect: bool = False
    custom: bool = True
    marked: frozenset[str] = frozenset()

    def resource(self) -> Resource:
        """Return what a rule would be asked about."""
        return Resource(
            type=self.type,
            name=self.name,
            inputs=self.inputs,
            unit=self.unit,
            stack_unit=self.stack_unit,
            protect=self.protect,
            custom=self.custom,
            marked=self.marked,
            urn=f"urn:pulumi:example::donvi::{self.type}::{self.name}",
        )


@dataclass(frozen=True, kw_only=True)
class About:
    """What people read of a rule.

    :param id: stable, kebab-case; waivers and messages name it.
    :param reason: why, one sentence.
    :param remedy: what to do, one sentence.
    :param standard: where the demand comes from, or ``donvi`` for the project's own.
    :param subject: isolation, identity, workloads, secrets or ownership.
    """

    id: str
    subject: str
    title: Title
    reason: str
    remedy: str
    standard: str
    level: Level = Level.MANDATORY


@dataclass(frozen=True, kw_only=True)
class Rule(About):
    """A rule about one resource.

    :param looks_at: type tokens, ``*`` as in file names.
    :param check: yields where the rule isn't kept; pure.
    """

    looks_at: tuple[str, ...]
    check: Callable[[Resource, CityFacts], Iterable[Outcome]] = field(repr=False)
    kept: tuple[Example, ...] = field(repr=False)
    broken: tuple[Example, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class StackRule(About):
    """A rule about all resources of a stack together; an example is a whole stack.

    :param check: yields findings that name a resource by its URN.
    :param broken: stacks with the names of the resources at which the findings are.
    """

    looks_at: tuple[str, ...]
    check: Callable[[Sequence[Resource], CityFacts], Iterable[Outcome]] = field(repr=False)
    kept: tuple[tuple[Example, ...], ...] = field(repr=False)
    broken: tuple[tuple[tuple[Example, ...], str], ...] = field(repr=False)
