"""A file backend of a test's own, in which the official command line runs with the pack."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.engine.kubernetes.project import PLUGIN
from tests.engine.project import ROOT, tool_path

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = ROOT / "policies/examples"
PACK = ROOT / "policies/pulumi-analyzer-donvi"


class Engine:
    """A file backend of its own; commands are run in a project's folder, as a person would with the pack's variable."""

    def __init__(self, folder: Path, project: Path, **variables: str) -> None:
        (folder / "state").mkdir(parents=True, exist_ok=True)
        self.project = project
        self.environ = {
            "PATH": f"{PLUGIN}:{tool_path()}",
            "HOME": str(folder),
            "PULUMI_HOME": str(folder / ".pulumi"),
            "PULUMI_BACKEND_URL": f"file://{folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "policies",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_OPTION_POLICY_PACK": str(PACK),
            **variables,
        }

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a pulumi command to its end, whatever it is; the result's ``stdout`` holds both streams."""
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.project,
            env={**self.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=300,
            check=False,
        )

    def must(self, *arguments: str, **variables: str) -> str:
        """Run a command that succeeds."""
        done = self.run(*arguments, **variables)
        assert done.returncode == 0, done.stdout
        return done.stdout


def copied(folder: Path) -> Path:
    """Return a copy of the examples' project, so that stack files don't land in the repository."""
    place = folder / "repository/policies/examples"
    shutil.copytree(EXAMPLES, place, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("donvi", ".venv"):
        (folder / "repository" / name).symlink_to(ROOT / name)
    return place
