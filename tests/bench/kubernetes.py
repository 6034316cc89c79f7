"""What a unit's Kubernetes objects cost through Pulumi, beside bare server-side apply of the same objects, in one run.

::

    uv run python -m tests.bench.kubernetes --runs 5

A control plane of its own on loopback (real API server and controllers, pods marked ready as a kubelet would), so that
nothing but the tools differs. *Bare* is ``kubectl apply --server-side``, then ``kubectl rollout status``; each run has
a namespace of its own. *Pulumi* loads what ``components.apps`` loads, and when ``stacks/program.py`` does. *Empty* is
an engine run without objects, SDK and plugin. *Added* is the difference: what a unit's stack pays more because
it has these objects.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.engine.kubernetes.project import engine_environment, kubelet
from tests.engine.project import ROOT
from tests.support.control_plane import running

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.control_plane import ControlPlane, Kube

UNIT = "26506"
ROUTES = "gateway.networking.k8s.io"
PROGRAM = f"""
import asyncio, gc, json, os, sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
import components  # as any unit's program does

def load():
    import components.apps

async def main():
    made, objects = [], json.load(open("objects.json"))
    if not objects:
        return
    loaded = asyncio.get_running_loop().run_in_executor(None, load)  # as in stacks/program.py
    import pulumi_kubernetes
    settings = {{"kubeconfig": os.environ["TEST_KUBECONFIG"], "upsert_existing_objects": True}}
    cluster = pulumi_kubernetes.Provider("cluster", **settings)
    await loaded
    for item in objects:
        opts = pulumi.ResourceOptions(provider=cluster, depends_on=list(made), version="4.34.2")
        resource = pulumi.CustomResource(item["token"], item["name"], item["properties"], opts)
        if item["token"].endswith((":Namespace", ":Deployment")):
            made.append(resource)

gc.disable()
pulumi.run(main)
"""


@dataclass(frozen=True)
class Cost:
    """Seconds of one run; ``cpu`` with all child processes."""

    wall: float
    cpu: float


def measured(work: Callable[[], object]) -> Cost:
    """Do something and return what it cost."""
    before, begun = os.times(), time.monotonic()
    work()
    after = os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return Cost(time.monotonic() - begun, used)


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(statistics.median(cost.wall for cost in costs), statistics.median(cost.cpu for cost in costs))


def run(command: Sequence[str], folder: Path, environ: dict[str, str]) -> None:
    """Run a command; one that fails ends the measurement."""
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stdout}{done.stderr}")


@dataclass
class Bench:
    """One unit's objects in fresh namespaces, applied either way."""

    plane: ControlPlane
    folder: Path
    objects: list[dict[str, Any]]

    @property
    def environ(self) -> dict[str, str]:
        file = self.folder / "kubeconfig.json"
        return {**engine_environment(self.folder, file.read_text(encoding="utf-8")), "KUBECONFIG": str(file)}

    def prepare(self) -> None:
        """Write the program and the credentials."""
        (self.folder / "state").mkdir()
        (self.folder / "kubeconfig.json").write_text(self.plane.kubeconfig(), encoding="utf-8")
        (self.folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n", encoding="utf-8")
        (self.folder / "__main__.py").write_text(PROGRAM, encoding="utf-8")

    def into(self, namespace: str) -> list[dict[str, Any]]:
        """Return the objects as they are in another namespace."""
        old = next(item for item in self.objects if item["token"].endswith(":Namespace"))["properties"]["metadata"][
            "name"
        ]
        found: list[dict[str, Any]] = json.loads(json.dumps(self.objects).replace(old, namespace))
        return found

    def declare(self, objects: list[dict[str, Any]]) -> None:
        """Let the program declare these objects."""
        (self.folder / "objects.json").write_text(json.dumps(objects), encoding="utf-8")

    def bare(self, namespace: str) -> None:
        """Apply with kubectl and wait for the Deployment."""
        items = [item["properties"] for item in self.into(namespace)]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        (self.folder / "list.json").write_text(text, encoding="utf-8")
        kubectl = [str(ROOT / ".venv/bin/kubectl"), "--namespace", namespace]
        run([*kubectl, "apply", "--server-side", "-f", "list.json"], self.folder, self.environ)
        run([*kubectl, "rollout", "status", "deployment"], self.folder, self.environ)

    def pulumi(self, *arguments: str, stack: str) -> None:
        """Run the official CLI."""
        run(["pulumi", *arguments, "--stack", stack, "--non-interactive"], self.folder, self.environ)

    def up(self, stack: str, *flags: str) -> None:
        self.pulumi("up", "--yes", "--skip-preview", *flags, stack=stack)


def measure(bench: Bench, kube: Kube, runs: int) -> dict[str, list[Cost]]:
    """Measure everything ``runs`` times, alternating, so that a slow moment of the host hits all alike."""
    costs: dict[str, list[Cost]] = {}

    def note(name: str, work: Callable[[], object]) -> None:
        costs.setdefault(name, []).append(measured(work))

    for number in range(runs):
        with ExitStack() as kubelets:
            bare, through, empty = f"bare-{number}", f"through-{number}", f"empty-{number}"
            for namespace in (bare, through):
                kubelets.enter_context(kubelet(kube, namespace))
            note("apply bare", lambda bare=bare: bench.bare(bare))  # type: ignore[misc]
            note("no change bare", lambda bare=bare: bench.bare(bare))  # type: ignore[misc]
            for stack, objects in ((empty, []), (through, bench.into(through))):
                bench.declare(objects)
                bench.pulumi("stack", "init", stack=stack)
                kind = "empty" if stack == empty else "pulumi"
                note(f"apply {kind}", lambda stack=stack: bench.up(stack))  # type: ignore[misc]
                note(f"no change {kind}", lambda stack=stack: bench.up(stack, "--expect-no-changes"))  # type: ignore[misc]
    return costs


def objects() -> list[dict[str, Any]]:
    """Return what the component declares for a unit."""
    command = [sys.executable, "-m", "tests.bench.unit_objects", UNIT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def define_routes(kube: Kube) -> None:
    """Let the API server know the kind TLSRoute, without a controller: routes aren't awaited here."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha2", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "TLSRoute", "plural": "tlsroutes", "singular": "tlsroute"}
    spec = {"group": ROUTES, "scope": "Namespaced", "names": names, "versions": [version]}
    notes = {"api-approved.kubernetes.io": "unapproved, for a measurement"}
    metadata = {"name": f"tlsroutes.{ROUTES}", "annotations": notes}
    kube.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {"metadata": metadata, "spec": spec})


def main() -> None:
    """Measure and print a table in Markdown."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=5)
    runs = options.parse_args().runs
    declared = objects()
    for item in declared:
        if item["token"].endswith(":TLSRoute"):
            item["properties"]["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    with running(controllers=True) as plane, tempfile.TemporaryDirectory() as folder:
        define_routes(plane.client())
        bench = Bench(plane, Path(folder), declared)
        bench.prepare()
        costs = {name: median(given) for name, given in measure(bench, plane.client(), runs).items()}
    print(f"{len(declared)} objects of unit {UNIT}, median of {runs} runs\n")
    print("| run | bare, wall s | CPU s | Pulumi, wall s | CPU s | wall ÷ bare | empty, wall s | added ÷ bare |")
    print("|---|---|---|---|---|---|---|---|")
    for name in ("apply", "no change"):
        bare, through, empty = (costs[f"{name} {kind}"] for kind in ("bare", "pulumi", "empty"))
        whole, alone = through.wall / bare.wall, (through.wall - empty.wall) / bare.wall
        print(
            f"| {name} | {bare.wall:.2f} | {bare.cpu:.2f} | {through.wall:.2f} | {through.cpu:.2f} | {whole:.1f} "
            f"| {empty.wall:.2f} | {alone:.1f} |"
        )


if __name__ == "__main__":
    main()
