"""Strikes pending creates from a stack's state: operations that a killed engine left without an end.

The engine keeps them until somebody decides interactively, and warns on every run. For donvi's own resources there is
nothing to decide: the next create finds what carries its mark and finishes it. Resources of other providers are kept.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from donvi.errors import EngineError, UsageError
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

CREATING = "creating"
OURS = "donvi:"


def strike(environ: Mapping[str, str], project: str, stack: str) -> list[str]:
    """Remove the pending creates of donvi's resources and return their URNs.

    :raises EngineError: the state can't be read or written.
    """
    full = f"organization/{project}/{stack}"
    state = json.loads(_cli(environ, full, "export"))
    operations = state["deployment"].get("pending_operations") or []
    struck = [operation for operation in operations if _finishes_by_itself(operation)]
    if struck:
        state["deployment"]["pending_operations"] = [entry for entry in operations if entry not in struck]
        _cli(environ, full, "import", given=json.dumps(state))
    return [operation["resource"]["urn"] for operation in struck]


def _finishes_by_itself(operation: Mapping[str, Any]) -> bool:
    kind: str = operation["resource"]["type"]
    return operation["type"] == CREATING and kind.startswith(OURS)


def _cli(environ: Mapping[str, str], stack: str, verb: str, *, given: str | None = None) -> str:
    command = ["pulumi", "stack", verb, "--stack", stack, "--non-interactive", "--color", "never"]
    try:
        done = subprocess.run(command, env=dict(environ), input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UsageError("pulumi is not on PATH", hint='run `eval "$(uv run donvi lab env)"` first') from None
    if done.returncode != 0:
        told = redact(" ".join(done.stderr.split()))
        raise EngineError(
            f"the state of stack {stack} can't be {verb}ed: {told}", hint="is Vault up? `donvi lab status`"
        )
    return done.stdout
