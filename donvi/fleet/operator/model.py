"""What is chosen for the manifests, and the names that follow."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from donvi.errors import UsageError

if TYPE_CHECKING:
    from donvi.registry import Allotment

LONGEST_NAME = 42
"""The operator derives names of a StatefulSet's pods and labels from a Stack's, and refuses a longer one."""

SHORTEST_PERIOD = 60
"""Seconds; the operator takes less for 60."""


class Drift(StrEnum):
    """What happens at every period to a stack whose release didn't change.

    ``repair``: the real systems are read and what differs is put right, as ``pulumi up --refresh``.
    ``report``: the same as a preview; changes aren't made, releases are neither.
    ``off``: nothing; the stack runs when its release changes.
    """

    REPAIR = "repair"
    REPORT = "report"
    OFF = "off"


class Places(msgspec.Struct, frozen=True):
    """What every workspace reads of the city's real systems; nothing here is secret.

    :param deployment: JSON text of ``donvi.deployment``.
    :param ca: PEM of the root that Vault's and the other servers' certificates end at.
    :param known_hosts: OpenSSH's file with the host authority of the machines.
    """

    deployment: str
    ca: str
    known_hosts: str


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """How the stacks are to be run.

    :param image: the release: repository, Python environment, Pulumi; a tag or, better, a digest.
    :param folder: where the repository lies in the image.
    :param secret: name of the Secret with the keys ``PULUMI_BACKEND_URL`` and ``VAULT_TOKEN``; never written by donvi.
    :param period: seconds between two runs of an unchanged stack.
    :param pilots_first: a unit of a later wave waits until the pilots of its former locality are up and verified.
    :param operator: namespace in which the operator runs.
    """

    image: str
    folder: str = "/donvi"
    namespace: str = "donvi"
    secret: str = "donvi-engine"  # noqa: S105  # the name of a Secret
    account: str = "donvi"
    period: int = 6 * 3600
    drift: Drift = Drift.REPAIR
    pilots_first: bool = False
    operator: str = "pulumi-kubernetes-operator"
    cpu: str = "250m"
    memory: str = "1Gi"
    scratch: str = "2Gi"

    def __post_init__(self) -> None:
        if self.period < SHORTEST_PERIOD:
            raise UsageError(
                f"a period of {self.period} s is too short for the operator", hint=f"give {SHORTEST_PERIOD} s or more"
            )
        if ":" not in self.image.rpartition("/")[2]:
            raise UsageError(
                f"the image {self.image!r} has neither tag nor digest, so a new release couldn't be told from the old",
                hint="name it as repository:tag or repository@sha256:…",
            )


def object_name(numbers: Allotment) -> str:
    """Return the name of a unit's Stack object: ``u26506-vung-tau``, cut at a dash where it would be too long.

    A letter stands first because the operator names a Service after it, which may not start with a digit. The code
    keeps cut names apart.
    """
    name = f"u{numbers.code}-{numbers.slug}"
    if len(name) > LONGEST_NAME:
        name = name[: LONGEST_NAME + 1].rpartition("-")[0]
    return name


def spread(code: str, period: int) -> int:
    """Return a unit's own period: up to a tenth longer, so that stacks applied together don't stay together."""
    return period + int(code) * 7919 % max(period // 10, 1)
