"""A throw-away Pulumi project with the toy provider, driven by the official CLI with a file backend."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

HEAD = """
import pulumi
from pulumi import CustomResource, ResourceOptions, Output

class Thing(CustomResource):
    def __init__(self, key, opts=None, **inputs):
        props = {"unit": "26506", "key": key, "name": key, **inputs, "serial": None, "written": None, "changedAt": None}
        super().__init__("donvi:toy:Thing", key, props, opts)

class Last(CustomResource):
    def __init__(self, name, opts=None, **inputs):
        super().__init__("donvi:toy:Last", name, {"unit": "26506", "key": name, **inputs, "verdict": None}, opts)
"""


def tool_path() -> str:
    """PATH on which pulumi and its Python language host are found."""
    places = os.environ.get("DONVI_TOOLS", "")
    return ":".join(filter(None, [str(ROOT / ".venv/bin"), places, os.environ["PATH"]]))


@dataclass
class Project:
    """One project folder with one stack ``toy``.

    :param variables: what the engine and, by the allow-list, the provider see besides PATH and HOME.
    :param backend: URL of the state, files of the project unless given.
    """

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    backend: str = ""
    plugin: Path = ROOT / "tests/engine/toy/plugin"
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.things.mkdir(parents=True, exist_ok=True)
        (self.folder / "state").mkdir(exist_ok=True)
        deployment = {
            "city_domain": "toy.test",
            "vault": {"address": "https://127.0.0.1:1"},
            "directory": {"url": "ldaps://127.0.0.1:1"},
            "mail": {"smtp": "", "submission": "", "imap": "", "doveadm": ""},
            "dns": {"server": "127.0.0.1", "port": 1},
        }
        (self.folder / "deployment.json").write_text(json.dumps(deployment), encoding="utf-8")
        (self.folder / "Pulumi.yaml").write_text(
            f"name: toy\nruntime: python\nplugins:\n  providers:\n    - name: donvi\n      path: {self.plugin}\n",
            encoding="utf-8",
        )

    @property
    def things(self) -> Path:
        """Where the toy backend keeps its objects."""
        return self.folder / "things"

    @property
    def environ(self) -> dict[str, str]:
        return {
            "DONVI_DEPLOYMENT": str(self.folder / "deployment.json"),
            **self.variables,
            "PATH": tool_path(),
            "HOME": str(self.folder),
            "PULUMI_HOME": str(self.folder / ".pulumi"),
            "PULUMI_BACKEND_URL": self.backend or f"file://{self.folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "toy-passphrase",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "DONVI_TOY": str(self.things),
        }

    def program(self, body: str) -> None:
        """Write the Pulumi program; ``Thing`` and ``Last`` are there."""
        (self.folder / "__main__.py").write_text(HEAD + body, encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a pulumi command on the stack in a process group of its own."""
        command = ["pulumi", *arguments, "--stack", "toy", "--non-interactive", "--color", "never"]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """End what still runs, as after a failed assertion, so that it disturbs no other test."""
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with process:
                pass

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run a pulumi command and return what it printed; assert that it succeeded or, if so wished, failed."""
        process = self.start(*arguments)
        text, _ = process.communicate(timeout=120)
        assert (process.returncode != 0) == fails, text
        return text

    def init(self) -> None:
        subprocess.run(
            ["pulumi", "stack", "init", "toy", "--secrets-provider", "passphrase"],
            cwd=self.folder,
            env=self.environ,
            check=True,
            capture_output=True,
        )

    def up(self, *flags: str, fails: bool = False) -> str:
        return self.run("up", "--yes", "--skip-preview", *flags, fails=fails)

    def preview(self, *flags: str, fails: bool = False) -> str:
        return self.run("preview", "--diff", *flags, fails=fails)

    def steps(self, *flags: str) -> dict[str, dict[str, Any]]:
        """What a preview would do: resource name to its step in ``preview --json``, unchanged resources left out."""
        process = self.start("preview", "--json", *flags)
        text, _ = process.communicate(timeout=120)
        assert process.returncode == 0, text
        steps = json.loads(text[text.index("{") :])["steps"]
        return {step["urn"].split("::")[-1]: step for step in steps if step["op"] != "same"}

    def state(self) -> dict[str, dict[str, Any]]:
        """The stack's resources by name, secrets in clear."""
        shown = subprocess.run(
            ["pulumi", "stack", "export", "--show-secrets", "--stack", "toy"],
            cwd=self.folder,
            env=self.environ,
            check=True,
            capture_output=True,
            text=True,
        )
        resources = json.loads(shown.stdout)["deployment"].get("resources", [])
        return {resource["urn"].split("::")[-1]: resource for resource in resources}

    def calls(self) -> list[str]:
        """What the toy handlers did, in order."""
        log = self.things / "calls.log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []
