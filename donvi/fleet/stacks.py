"""The stacks themselves, by the official CLI: which exist, making one, an output of one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from donvi.errors import EngineError, UsageError
from donvi.fleet.engine_process import REMEDY
from donvi.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parents[2]
SAFE_LISTING = {"PULUMI_DIY_BACKEND_PARALLEL": "1"}
"""On Postgres every stack that is listed needs two of the engine's few connections: side by side they wait for ever."""
OVERTAKEN = "list bucket: blob (code=NotFound)"
"""What the engine says of a folder of states in which a file vanished while it looked: another run wrote one."""
LOOKS = 8


class Stacks:
    """What can be asked and made of a project's stacks without running a program.

    :param environ: what ``donvi lab env`` prints, PATH included.
    :param repository: folder of ``Pulumi.yaml``.
    """

    def __init__(self, environ: Mapping[str, str], *, repository: Path = REPOSITORY) -> None:
        self.environ = dict(environ)
        self.repository = repository

    def stacks(self) -> set[str]:
        """Names of the stacks that exist; looked for again when a run that writes overtakes the look.

        :raises EngineError: the backend can't be read.
        """
        for left in reversed(range(LOOKS)):
            try:
                listed: list[dict[str, Any]] = json.loads(self._cli("stack", "ls", "--json"))
                break
            except EngineError as error:
                if not left or OVERTAKEN not in error.message:
                    raise
        return {entry["name"].rpartition("/")[2] for entry in listed}

    def ensure(self, stack: str) -> bool:
        """Make the stack, its secrets wrapped by the transit key of its own name; says whether it was made now.

        :raises EngineError: it can't be made, usually because the key isn't there: ``platform`` makes those of units.
        """
        if stack in self.stacks():
            return False
        self.make(stack)
        return True

    def make(self, stack: str) -> None:
        """Make a stack that doesn't exist.

        :raises EngineError: it exists, or its key doesn't.
        """
        self._cli("stack", "init", stack, "--no-select", "--secrets-provider", f"hashivault://{stack}")

    def output(self, stack: str, name: str) -> Any:
        """Return an output of a stack, ``None`` if it has none of that name."""
        return json.loads(self._cli("stack", "output", "--stack", stack, "--json")).get(name)

    def _cli(self, *arguments: str) -> str:
        """Run a short command and return its standard output."""
        try:
            done = subprocess.run(
                ["pulumi", *arguments, "--non-interactive", "--color", "never"],
                cwd=self.repository,
                env=SAFE_LISTING | self.environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            raise UsageError("pulumi is not on PATH", hint=REMEDY) from None
        if done.returncode != 0:
            told = redact(" ".join(done.stderr.split())) or f"exit {done.returncode}"
            raise EngineError(
                f"`pulumi {' '.join(arguments)}` failed: {told}", hint="is the lab up? `donvi lab status`"
            )
        return done.stdout
