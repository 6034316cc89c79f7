"""Several engines share what is costly and nothing else."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from donvi.fleet.engine import FastRunner
from donvi.fleet.model import Operation, Options, Status
from donvi.fleet.plain import PlainRunner
from tests.engine.fleet.processes import alive
from tests.engine.test_process import providers

if TYPE_CHECKING:
    from pathlib import Path

    from donvi.fleet.model import Result
    from tests.engine.fleet.conftest import Pair

STACKS = ("toy", "other")


def both(runner: FastRunner, operation: Operation, options: Options | None = None) -> tuple[Result, Result]:
    """Run both stacks at the same time."""
    with ThreadPoolExecutor() as pool:
        toy, other = pool.map(lambda stack: runner.run(operation, stack, options), STACKS)
    return toy, other


def test_two_stacks_at_once_get_their_own_results_from_one_provider(pair: Pair, runner: FastRunner) -> None:
    pair.program(
        'print("program of", stack)\nThing(f"{stack}-a", seconds=2, fail="before" if stack == "other" else "")'
    )
    toy, other = both(runner, Operation.UP)

    assert (toy.status, other.status) == (Status.DONE, Status.FAILED)
    assert [change.name for change in toy.changes] == ["toy-a"]
    assert other.failure is not None
    assert "nobody answers for other-a. start it" in other.failure.message
    assert [notice.message for notice in toy.notices] == ["program of toy"]
    assert "program of other" in [notice.message for notice in other.notices]
    assert providers(pair) == [runner.pids["provider donvi"]]
    assert abs(toy.seconds - other.seconds) < min(toy.seconds, other.seconds), "one didn't wait for the other"


def test_a_line_of_the_provider_reaches_the_engine_whose_resource_it_is_about(pair: Pair) -> None:
    pair.program('Thing(f"{stack}-a"); Thing(f"{stack}-b")')
    pair.variables["DONVI_CLOCK"] = "2026-11-24T00:00:00Z"
    with FastRunner(pair.environ, repository=pair.folder) as runner:
        assert [result.status for result in both(runner, Operation.UP)] == [Status.DONE, Status.DONE]
    pair.variables["DONVI_CLOCK"] = "2101-01-01T00:00:00Z"
    with FastRunner(pair.environ, repository=pair.folder) as runner:
        for result in both(runner, Operation.PREVIEW):
            about = sorted(notice.urn for notice in result.notices if "two thirds" in notice.message)
            mine = [f"urn:pulumi:{result.stack}::toy::donvi:toy:Thing::{result.stack}-{key}" for key in "ab"]
            assert about == mine


def test_nothing_that_a_program_leaves_behind_is_seen_by_the_next_one(pair: Pair, runner: FastRunner) -> None:
    pair.program(
        'import os, sys\nprint("found", hasattr(pulumi, "left"), os.environ.get("LEFT"), len(sys.argv))\n'
        'pulumi.left, os.environ["LEFT"] = True, "yes"; sys.argv.append("more")'
    )
    told = [notice.message for stack in STACKS for notice in runner.run(Operation.PREVIEW, stack).notices]
    assert told == ["found False None 1", "found False None 1"]


def test_a_program_that_fails_says_so_as_by_hand(pair: Pair, runner: FastRunner) -> None:
    plain = PlainRunner(pair.environ, repository=pair.folder)
    for body in ('raise pulumi.RunError("no city here")', "1 / 0", "import nowhere", "raise SystemExit(3)"):
        pair.program(body)
        fast, slow = runner.run(Operation.PREVIEW, "toy"), plain.run(Operation.PREVIEW, "toy")
        assert fast.status is slow.status is Status.FAILED
        assert fast.failure is not None
        assert slow.failure is not None
        assert fast.failure.message.split("File ")[0] == slow.failure.message.split("File ")[0]
        assert fast.failure.message.rpartition(" ")[2] == slow.failure.message.rpartition(" ")[2]


def test_a_stack_of_the_runner_and_one_of_the_cli_cant_be_told_apart(pair: Pair, runner: FastRunner) -> None:
    plain = PlainRunner(pair.environ, repository=pair.folder)
    pair.program(
        'a = Thing(f"{stack}.a", tags=["x", "y"]); Thing(f"{stack}.b", note=a.serial)\n'
        'Thing(f"{stack}.c", note=Output.secret("hush"))\n'
        'pulumi.export("serial", a.serial); pulumi.export("hush", Output.secret("quiet"))'
    )
    fast, slow = runner.run(Operation.UP, "toy"), plain.run(Operation.UP, "other")
    assert fast.status is slow.status is Status.DONE
    assert bare(pair.exported("toy"), "toy") == bare(pair.exported("other"), "other")
    assert record(pair.folder, "toy") == record(pair.folder, "other")

    assert plain.run(Operation.PREVIEW, "toy").counts == {"same": 4}
    assert runner.run(Operation.PREVIEW, "other").counts == {"same": 4}
    changed = [runner.run(Operation.REFRESH, "other"), plain.run(Operation.REFRESH, "toy", Options(preview_only=True))]
    assert [result.counts for result in changed] == [{"same": 4}, {"same": 4}]
    assert plain.run(Operation.DESTROY, "toy").changed == runner.run(Operation.DESTROY, "other").changed == 4


def bare(state: str, stack: str) -> object:
    """A state without what differs from run to run: times, salts, ciphertexts, ids of default providers."""
    for own in (f"urn:pulumi:{stack}", f"::toy-{stack}", f"{stack}."):
        state = state.replace(own, own.removesuffix(".").removesuffix(stack) + "STACK")
    held = json.loads(state)["checkpoint"]["latest"]
    held["manifest"].pop("time")
    held["secrets_providers"].pop("state")
    ids = {resource["id"]: "ID" for resource in held["resources"] if resource["type"].startswith("pulumi:providers")}
    text = json.dumps([{**resource, "created": "", "modified": ""} for resource in held["resources"]])
    for own, name in ids.items():
        text = text.replace(own, name)
    resources = json.loads(text)
    for resource in resources:
        if "changedAt" in resource.get("outputs", {}):
            resource["outputs"]["changedAt"] = ""
        hide(resource)
    by_urn = sorted(resources, key=lambda resource: str(resource["urn"]))
    return {**held, "resources": by_urn}


def hide(value: object) -> None:
    if isinstance(value, dict):
        if "ciphertext" in value:
            value["ciphertext"] = ""
        for item in value.values():
            hide(item)
    elif isinstance(value, list):
        for item in value:
            hide(item)


def record(folder: Path, stack: str) -> dict[str, object]:
    """What the engine's own record of the run says, without the variables that whoever started it had set."""
    file = next((folder / f"state/.pulumi/history/toy/{stack}").glob("*.history.json"))
    held = json.loads(file.read_text(encoding="utf-8"))
    environment = {key: str(value).strip() for key, value in held["environment"].items() if ".env." not in key}
    return {
        **held,
        "startTime": 0,
        "endTime": 0,
        "environment": environment,
        "resourceChanges": held["resourceChanges"],
    }


def test_a_plugin_that_serves_one_engine_only_is_started_by_the_engine(pair: Pair) -> None:
    own = pair.folder / "plugin"
    own.mkdir()
    script = own / "pulumi-resource-donvi"
    script.write_text(f'#!/bin/sh\nunset DONVI_PLUGIN_HOST\nexec {pair.plugin}/pulumi-resource-donvi "$@"\n')
    script.chmod(0o755)
    text = (pair.folder / "Pulumi.yaml").read_text(encoding="utf-8")
    (pair.folder / "Pulumi.yaml").write_text(text.replace(str(pair.plugin), str(own)), encoding="utf-8")
    pair.program('Thing(f"{stack}-a")')
    with FastRunner(pair.environ, repository=pair.folder) as runner:
        assert [result.status for result in both(runner, Operation.UP)] == [Status.DONE, Status.DONE]
        assert "provider donvi" not in runner.pids
        assert not alive(pair.folder, "toy.provider")
