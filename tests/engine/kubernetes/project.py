"""A throw-away Pulumi project that declares Kubernetes objects with the official SDK and the lab's plugin."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.engine.project import ROOT, tool_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.control_plane import Kube

PLUGIN = ROOT / "lab/kubernetes_plugin/path"

HEAD = """
import os
import pulumi
from pulumi import CustomTimeouts, Output, ResourceOptions
import pulumi_kubernetes as k8s
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.networking import v1 as networking

cluster = k8s.Provider("cluster", kubeconfig=os.environ["TEST_KUBECONFIG"], **SETTINGS)

def options(**more):
    return ResourceOptions(provider=cluster, **more)

def meta(name, **more):
    return {"name": name, "namespace": NAMESPACE, **more}

def site(name, replicas=1, image="site@sha256:" + 64 * "a", seconds=60, **more):
    labels = {"app": name}
    resources = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "0.1", "memory": "64Mi"}}
    container = {"name": "site", "image": image, "ports": [{"container_port": 8443}], "resources": resources}
    spec = {
        "replicas": replicas,
        "selector": {"match_labels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    spec = {key: value for key, value in spec.items() if value is not None}
    return apps.Deployment(name, metadata=meta(name, **more), spec=spec,
                           opts=options(custom_timeouts=CustomTimeouts(f"{seconds}s", f"{seconds}s", f"{seconds}s")))
"""


def engine_environment(folder: Path, kubeconfig: str) -> dict[str, str]:
    """Return the engine's environment: state and plugins in the folder, the stand-in on PATH.

    :param kubeconfig: text that the program finds in ``TEST_KUBECONFIG``.
    """
    return {
        "PATH": f"{PLUGIN}:{tool_path()}",
        "HOME": str(folder),
        "PULUMI_HOME": str(folder / ".pulumi"),
        "PULUMI_BACKEND_URL": f"file://{folder}/state",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "TEST_KUBECONFIG": kubeconfig,
    }


@dataclass
class Project:
    """One project folder with one stack ``test`` whose objects go to one namespace.

    :param settings: arguments of the provider besides the kubeconfig.
    """

    folder: Path
    kubeconfig: str
    namespace: str
    settings: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "state").mkdir(parents=True, exist_ok=True)
        (self.folder / "Pulumi.yaml").write_text("name: test\nruntime: python\n", encoding="utf-8")

    @property
    def environ(self) -> dict[str, str]:
        return {**engine_environment(self.folder, self.kubeconfig), **self.variables}

    def program(self, body: str) -> None:
        """Write the program; ``site``, ``options``, ``meta``, ``core``, ``apps`` and ``networking`` are there."""
        head = f"SETTINGS = {self.settings!r}\nNAMESPACE = {self.namespace!r}\n{HEAD}"
        (self.folder / "__main__.py").write_text(head + body, encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a pulumi command on the stack in a process group of its own."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--stack", "test", "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run a pulumi command and return what it printed; assert that it succeeded or, if so wished, failed."""
        process = self.start(*arguments)
        text, _ = process.communicate(timeout=240)
        assert (process.returncode != 0) == fails, text
        return text

    def init(self) -> None:
        self.run("stack", "init")

    def up(self, *flags: str, fails: bool = False) -> str:
        return self.run("up", "--yes", "--skip-preview", *flags, fails=fails)

    def preview(self, *flags: str, fails: bool = False) -> str:
        return self.run("preview", "--diff", *flags, fails=fails)

    def refresh(self, *flags: str, fails: bool = False) -> str:
        """Show drift without recording it."""
        return self.run("refresh", "--preview-only", "--diff", *flags, fails=fails)

    def unchanged(self) -> None:
        """Assert that neither a preview nor a refresh sees any difference."""
        self.run("preview", "--expect-no-changes")
        self.run("refresh", "--preview-only", "--expect-no-changes")

    def steps(self) -> dict[str, dict[str, Any]]:
        """What a preview would do: resource name to its step, unchanged resources left out."""
        process = self.start("preview", "--json")
        text, _ = process.communicate(timeout=240)
        assert process.returncode == 0, text
        steps = json.loads(text[text.index("{") :])["steps"]
        return {step["urn"].split("::")[-1]: step for step in steps if step["op"] != "same"}

    def state(self, *flags: str) -> dict[str, dict[str, Any]]:
        """The stack's resources by name."""
        text = self.run("stack", "export", *flags)
        resources = json.loads(text[text.index("{") :])["deployment"].get("resources", [])
        return {resource["urn"].split("::")[-1]: resource for resource in resources}


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    """Poll until the condition holds; says whether it did in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@contextmanager
def kubelet(kube: Kube, namespace: str) -> Iterator[None]:
    """Let every pod of a namespace become ready meanwhile."""
    stop = threading.Event()
    player = threading.Thread(target=kube.play_ready, args=(namespace, stop), daemon=True)
    player.start()
    try:
        yield
    finally:
        stop.set()
        player.join(30)
