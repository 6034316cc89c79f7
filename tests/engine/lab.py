"""The stacks of the lab as tests see them: the official CLI, the state, and the real systems behind."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from donvi.deployment import parse, text_from_environment
from donvi.provider.services import Services

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
REQUIRED = ("PULUMI_BACKEND_URL", "VAULT_ADDR", "VAULT_TOKEN", "VAULT_CACERT", "DONVI_DEPLOYMENT", "DONVI_KNOWN_HOSTS")


class Lab:
    """An operator's shell after ``eval "$(donvi lab env)"``.

    :param environ: that shell's environment.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        missing = [name for name in REQUIRED if not environ.get(name)]
        if missing:
            pytest.fail(f'{", ".join(missing)} not set: run `make test`, or first `eval "$(uv run donvi lab env)"`')
        self.environ = dict(environ)

    @cached_property
    def services(self) -> Services:
        """The real systems, by the backends alone."""
        return Services(parse(text_from_environment(self.environ)), self.environ)

    def pulumi(self, *arguments: str, fails: bool = False, **variables: str) -> str:
        """Run the official CLI in the repository; assert that it succeeded or, if so wished, failed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=ROOT,
            env={**self.environ, **variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        told = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, told
        return told

    def export(self, stack: str, *flags: str) -> str:
        """The exported state as text."""
        return subprocess.run(
            ["pulumi", "stack", "export", "--stack", stack, *flags],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def resources(self, stack: str) -> dict[str, dict[str, Any]]:
        """Resources of a stack by ``<last part of the type>/<name>``."""
        entries = json.loads(self.export(stack))["deployment"]["resources"]
        return {
            f"{entry['type'].rpartition(':')[2]}/{entry['urn'].rpartition('::')[2]}": entry
            for entry in entries
            if not entry.get("delete")
        }

    def changed(self, stack: str, *flags: str, **variables: str) -> dict[str, str]:
        """What a preview would do: ``<type>/<name>`` to the operation, unchanged resources left out."""
        told = self.pulumi("preview", "--stack", stack, "--json", *flags, **variables)
        steps = json.loads(told[told.index("{") : told.rindex("}") + 1])["steps"]
        return {
            f"{step['urn'].split('::')[-2].rpartition(':')[2]}/{step['urn'].rpartition('::')[2]}": step["op"]
            for step in steps
            if step["op"] not in {"same", "read"}
        }

    def close(self) -> None:
        if "services" in self.__dict__:
            self.services.close()


def current() -> Lab:
    """The lab that the environment describes."""
    return Lab(os.environ)
