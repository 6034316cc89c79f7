"""What dies takes only those with it that it served, and is replaced; what is given up ends in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from donvi.fleet.model import Operation, Options, Status
from tests.engine.fleet.processes import alive
from tests.engine.project import ROOT
from tests.engine.test_process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.fleet.engine import FastRunner
    from donvi.fleet.model import Result
    from tests.engine.fleet.conftest import Pair

SLOW = 'a = Thing(f"{stack}-a", seconds=2.0 if stack == "toy" else 0); Thing(f"{stack}-b", note=a.serial)'
DRIVER = """
import os, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from donvi.fleet.engine import FastRunner
from donvi.fleet.model import Operation
with FastRunner(os.environ, repository=Path({folder!r})) as runner:
    print(runner.run(Operation.UP, "toy"))
"""


def begun(pair: Pair, name: str = "toy-a") -> bool:
    return any(call.startswith(f"begin {name}") for call in pair.calls())


def during_up(pair: Pair, runner: FastRunner, deed: object) -> Result:
    """Run ``up`` of the stack ``toy``; do a deed when its slow resource is being made."""
    assert callable(deed)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(runner.run, Operation.UP, "toy")
        assert wait_until(lambda: begun(pair))
        deed()
        return running.result(timeout=120)


def finished(pair: Pair, runner: FastRunner) -> Iterator[str]:
    """Finish a stack whose run was cut short; yields what its state holds then."""
    assert runner.run(Operation.UP, "toy", Options(refresh=True)).status is Status.DONE
    assert runner.run(Operation.PREVIEW, "toy").changed == 0
    yield from (name for name in pair.state() if name.startswith("toy-"))


def test_a_killed_provider_is_named_and_the_next_run_has_another_one(pair: Pair, runner: FastRunner) -> None:
    pair.program(SLOW)
    result = during_up(pair, runner, lambda: os.kill(runner.pids["provider donvi"], signal.SIGKILL))

    assert result.status is Status.FAILED
    assert result.failure is not None
    assert "the provider donvi's process died (killed by SIGKILL)" in result.failure.message
    assert runner.run(Operation.UP, "other").status is Status.DONE
    assert {"toy-a", "toy-b"} <= set(finished(pair, runner))


def test_a_killed_program_fails_its_own_stack_only(pair: Pair, runner: FastRunner) -> None:
    pair.program(
        'import time\nThing(f"{stack}-a")\nopen("begun." + stack, "w").close()\nif stack == "toy": time.sleep(60)'
    )
    with ThreadPoolExecutor(2) as pool:
        toy = pool.submit(runner.run, Operation.UP, "toy")
        assert wait_until((pair.folder / "begun.toy").exists)
        (worker,) = set(alive(pair.folder, "engine.warm")) - {runner.pids["program"]}
        other = pool.submit(runner.run, Operation.UP, "other")
        os.kill(worker, signal.SIGKILL)
        assert other.result(timeout=120).status is Status.DONE
        failed = toy.result(timeout=120)

    assert failed.failure is not None
    assert "the program's process died (killed by SIGKILL)" in failed.failure.message
    assert not list(pair.folder.glob("state/.pulumi/locks/**/*.json")), "the engine gave up its lock"


def test_a_killed_engine_is_a_failure_and_disturbs_nobody(pair: Pair, runner: FastRunner) -> None:
    pair.program(SLOW)
    result = during_up(pair, runner, lambda: os.kill(alive(pair.folder, "pulumi\0up")[0], signal.SIGKILL))

    assert result.status is Status.FAILED
    assert result.failure is not None
    assert "killed by SIGKILL" in result.failure.message
    assert "donvi unlock toy" in result.failure.hint
    assert runner.run(Operation.UP, "other").status is Status.DONE
    assert runner.run(Operation.UP, "toy").status is Status.LOCKED


def test_a_cancelled_stack_ends_in_order_and_another_one_goes_on(pair: Pair, runner: FastRunner) -> None:
    pair.program('a = Thing(f"{stack}-a", seconds=2.0); Thing(f"{stack}-b", note=a.serial)')
    enough = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        toy = pool.submit(runner.run, Operation.UP, "toy", cancelled=enough)
        other = pool.submit(runner.run, Operation.UP, "other")
        assert wait_until(lambda: begun(pair) and begun(pair, "other-a"))
        enough.set()
        given_up, done = toy.result(timeout=120), other.result(timeout=120)

    assert (given_up.status, done.status) == (Status.CANCELLED, Status.DONE)
    assert [change.name for change in given_up.changes] == ["toy-a"], "what had begun was recorded, nothing else begun"
    assert not list(pair.folder.glob("state/.pulumi/locks/**/*.json"))
    assert runner.run(Operation.UP, "toy").counts == {"create": 1, "same": 2}


def test_a_killed_driver_leaves_no_process_no_lock_and_a_state_that_the_next_run_goes_on_from(
    pair: Pair, runner: FastRunner
) -> None:
    pair.program(SLOW)
    code = DRIVER.format(root=str(ROOT), folder=str(pair.folder))
    with subprocess.Popen([sys.executable, "-c", code], env=pair.environ, stdout=subprocess.DEVNULL) as driver:
        assert wait_until(lambda: begun(pair))
        driver.kill()
    assert wait_until(lambda: not alive(pair.folder))
    assert not list(pair.folder.glob("state/.pulumi/locks/**/*.json")), "the engine was asked to end, and did in order"
    assert "toy-a" in pair.state(), "what had begun was recorded"
    assert runner.run(Operation.UP, "toy").counts == {"create": 1, "same": 2}
