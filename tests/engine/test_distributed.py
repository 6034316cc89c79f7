"""A real scheduler with TLS, workers as processes of their own, state and leases in Postgres, and deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from donvi.errors import UsageError
from donvi.fleet.distributed.runner import DistributedRunner
from donvi.fleet.model import Operation, Result, Status, Step
from donvi.fleet.postgres import Database
from tests.engine.driving import CODES, UNITS, Fleet
from tests.engine.project import ROOT
from tests.engine.test_fleet_deaths import engines
from tests.engine.test_postgres_state import fleet, template
from tests.engine.test_process import providers, wait_until
from tests.support.ca import Authority
from tests.support.postgres_server import postgres
from tests.support.vault_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["fleet", "postgres", "template"]

DASK = str(ROOT / ".venv/bin/dask")
SLOW = {"a": {}, "slow": {"seconds": 6}}
FOREVER = {"a": {}, "slow": {"seconds": 600}}


class Cluster:
    """A scheduler and its workers, each a process; the driver's certificate is of the same root."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self.address = fleet, f"tls://127.0.0.1:{free_port()}"
        authority = Authority("Workers under test")
        certificate, key = authority.server(folder)
        (folder / "ca.crt").write_text(authority.pem)
        self.files = {"CA_FILE": f"{folder}/ca.crt", "CERT": str(certificate), "KEY": str(key)}
        self.workers: list[subprocess.Popen[bytes]] = []
        self.log = (folder / "cluster.log").open("ab")
        self.scheduler = self._start("scheduler", "--port", self.address.rpartition(":")[2])

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker that takes one stack at a time."""
        options = ("--no-nanny", "--nthreads", "2", "--resources", "stack=1")
        self.workers.append(self._start("worker", self.address, *options))
        return self.workers[-1]

    def runner(self) -> DistributedRunner:
        """Return a driver's runner."""
        environ = self.fleet.project.environ | {f"DONVI_SCHEDULER_{name}": file for name, file in self.files.items()}
        return DistributedRunner(self.address, environ, project="toy", run="test", repository=self.fleet.project.folder)

    def end(self) -> None:
        """Kill everything."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
        self.log.close()

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        tls = ["--tls-ca-file", self.files["CA_FILE"], "--tls-cert", self.files["CERT"], "--tls-key", self.files["KEY"]]
        environ = {**self.fleet.project.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        here = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
        return subprocess.Popen([DASK, *command, *here, *tls], env=environ, cwd=ROOT, stdout=self.log, stderr=self.log)


@pytest.fixture
def cluster(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(fleet, tmp_path_factory.mktemp("cluster"))
    yield made
    made.end()


def leased(fleet: Fleet) -> list[str]:
    with psycopg.connect(Database.of(fleet.project.environ).address) as connection:
        return [row[0] for row in connection.execute("SELECT stack FROM donvi_leases").fetchall()]


def test_stacks_run_on_several_workers_at_once_and_tell_their_steps(cluster: Cluster, fleet: Fleet) -> None:
    fleet.plan(thu_dau_mot={"a": {"seconds": 2}}, vung_tau={"a": {"seconds": 2}})
    cluster.worker()
    cluster.worker()
    steps: list[Step] = []
    with cluster.runner() as runner, ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda stack: runner.run(Operation.UP, stack, on_step=steps.append), UNITS[:2]))
        again = runner.run(Operation.PREVIEW, UNITS[0])
    assert [result.status for result in results] == [Status.DONE, Status.DONE], results
    assert fleet.things() == {f"{UNITS[0]}.a", f"{UNITS[1]}.a"}
    assert {(step.stack, step.name) for step in steps} >= {(unit, f"{unit}.a") for unit in UNITS[:2]}
    assert (again.status, again.changed) == (Status.DONE, 0)
    assert leased(fleet) == []


@pytest.mark.parametrize("victim", ["worker", "worker and engine"])
def test_a_stack_of_a_killed_worker_is_followed_when_that_one_is_proven_dead(
    cluster: Cluster, fleet: Fleet, victim: str
) -> None:
    fleet.plan(vung_tau=SLOW if victim == "worker" else FOREVER)
    doomed, stack = cluster.worker(), UNITS[1]
    outcome: list[Result] = []
    with cluster.runner() as runner:
        thread = threading.Thread(target=lambda: outcome.append(runner.run(Operation.UP, stack)))
        thread.start()
        assert wait_until(lambda: f"{stack}.slow" in fleet.begun())
        dead = [doomed.pid] if victim == "worker" else [doomed.pid, *engines(fleet), *providers(fleet.project)]
        for pid in dead:
            os.kill(pid, signal.SIGKILL)
        doomed.wait()
        fleet.plan(vung_tau=SLOW)
        cluster.worker()
        thread.join(300)
    assert [result.status for result in outcome] == [Status.DONE], outcome
    assert fleet.things() == {f"{stack}.a", f"{stack}.slow"}
    begun = fleet.begun().count(f"{stack}.slow")
    assert begun == (1 if victim == "worker" else 2), "an engine that outlives its worker ends its work first"
    assert leased(fleet) == []


def test_the_command_journals_what_workers_do_as_on_one_machine(cluster: Cluster, fleet: Fleet) -> None:
    fleet.plan()
    cluster.worker()
    fleet.project.variables |= {f"DONVI_SCHEDULER_{name}": file for name, file in cluster.files.items()}
    states = fleet.run("up", *CODES[:2], "--no-waves", "--scheduler", cluster.address)
    assert set(states.values()) == {"done"}
    assert fleet.things() == {f"{UNITS[0]}.a", f"{UNITS[1]}.a"}
    assert [stack["state"] for stack in fleet.shown()["stacks"]] == ["done", "done"]
    assert leased(fleet) == []


def test_a_run_that_is_cancelled_ends_its_engine(cluster: Cluster, fleet: Fleet) -> None:
    fleet.plan(vung_tau=SLOW)
    cluster.worker()
    cancelled = threading.Event()
    with cluster.runner() as runner, ThreadPoolExecutor(1) as pool:
        running = pool.submit(runner.run, Operation.UP, UNITS[1], cancelled=cancelled)
        assert wait_until(lambda: f"{UNITS[1]}.slow" in fleet.begun())
        cancelled.set()
        assert running.result(180).status in {Status.CANCELLED, Status.DONE}
    assert leased(fleet) == []


def test_a_scheduler_without_tls_elsewhere_and_state_in_files_are_refused(fleet: Fleet) -> None:
    environ = fleet.project.environ
    with pytest.raises(UsageError, match="TLS"):
        DistributedRunner("tcp://10.0.0.1:8786", environ, project="toy")
    with pytest.raises(UsageError, match="share"):
        DistributedRunner("tls://10.0.0.1:8786", environ | {"PULUMI_BACKEND_URL": "file:///s"}, project="toy")
