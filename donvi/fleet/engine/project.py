"""What ``Pulumi.yaml`` says that the driver must know: the runtime, and where provider plugins lie."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from donvi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "pulumi-resource-"
KUBERNETES = "kubernetes"
"""The plugin that is found through PATH (the lab's stand-in, or an official one put there)."""
FILE = "Pulumi.yaml"


@dataclass(frozen=True)
class Project:
    """A project, as far as running its stacks goes.

    :param runtime: name of the language, e.g. ``python``.
    :param virtualenv: the environment its programs need, if it names one.
    :param plugins: provider's name to its executable.
    """

    folder: Path
    runtime: str
    virtualenv: Path | None = None
    plugins: Mapping[str, Path] = field(default_factory=dict)

    @property
    def same_interpreter(self) -> bool:
        """Whether its programs run with the interpreter and the packages of this process."""
        if self.runtime != "python":
            return False
        return self.virtualenv is None or self.virtualenv.resolve() == Path(sys.prefix).resolve()


def read_project(folder: Path, environ: Mapping[str, str]) -> Project:
    """Read a project's file.

    :raises UsageError: there is none, or it isn't one.
    """
    try:
        given: dict[str, Any] = yaml.safe_load((folder / FILE).read_text(encoding="utf-8"))
        runtime, options = _runtime(given["runtime"])
        named = (given.get("plugins") or {}).get("providers") or []
        plugins = {one["name"]: folder / one["path"] / f"{PREFIX}{one['name']}" for one in named}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder / FILE} can't be read: {error}", hint="run this in a clone of donvi") from None
    found = shutil.which(f"{PREFIX}{KUBERNETES}", path=environ.get("PATH", os.defpath))
    if found is not None:
        plugins.setdefault(KUBERNETES, Path(found))
    virtualenv = options.get("virtualenv")
    return Project(folder, runtime, folder / virtualenv if virtualenv else None, plugins)


def _runtime(given: Any) -> tuple[str, Mapping[str, Any]]:
    return (given, {}) if isinstance(given, str) else (given["name"], given.get("options") or {})
