"""Playbooks on machines: what each machine's result says, and that nothing is left, however a run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from donvi.backends.machines import PlaybookRun, SshRunner, identity, run_playbook
from donvi.deployment import Machine
from donvi.errors import BackendError, PermissionDeniedError, UnreachableError, UsageError
from donvi.redaction import conceal
from tests.support.fixtures import deployment
from tests.support.ssh_server import known_host_line, make_key
from tests.support.vault_server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from donvi.backends.machines import PlaybookResult, TaskEvent
    from tests.support.ssh_server import SshServer
    from tests.support.vault_server import VaultServer

NAME, OTHER, DOWN = "gw-26506", "gw-26740", "gw-99999"
HEAD = """
- hosts: gateways
  gather_facts: false
  environment:
    DONVI_RUN: "{{ donvi_run }}"
  tasks:
"""
WRITE = '    - {name: Write it, ansible.builtin.copy: {content: "{{ text }}\\n", dest: "{{ file }}", mode: "0600"}}\n'
SLEEP = "    - {name: Sleep, ansible.builtin.command: \"sh -c 'sleep {{ seconds }}'\", changed_when: false}\n"
REFUSE = '    - {name: Refuse, ansible.builtin.fail: {msg: no such printer}, when: inventory_hostname == "gw-26740"}\n'
FILL = "    - {name: Fill, ansible.builtin.command: \"sh -c 'echo x >{{ place }}'\", changed_when: false}\n"


class Bench:
    """A playbook of the test's own, and a runner that reaches two names of one machine and one that is down."""

    def __init__(self, folder: Path, vault: VaultServer, machine: SshServer, known_hosts: Path) -> None:
        self.folder = folder
        self.file = folder / "written"
        here = Machine("127.0.0.1", machine.port)
        machines = {NAME: here, OTHER: here, DOWN: Machine("127.0.0.1", free_port())}
        self.place = msgspec.structs.replace(deployment(port=machine.port), machines=machines)
        self.ssh = SshRunner(self.place, vault.client("apply"), str(known_hosts))
        (folder / "playbooks").mkdir()
        settings = f"interpreter_python = {sys.executable}\nremote_tmp = {folder}/remote\ngathering = explicit\n"
        (folder / "ansible.cfg").write_text(f"[defaults]\n{settings}")

    def spec(self, tasks: str, *machines: str, task_seconds: int = 60, **variables: Any) -> PlaybookRun:
        playbook = self.folder / "playbooks" / "gateway.yml"
        playbook.write_text(HEAD + tasks)
        values = {"file": str(self.file), "text": "xin chào", "seconds": 0, **variables}
        return PlaybookRun(playbook, "gateways", machines or (NAME,), values, task_seconds)

    def run(self, tasks: str, *machines: str, check: bool = False, **options: Any) -> PlaybookResult:
        passed = {name: options.pop(name) for name in ("timeout", "cancelled", "on_event") if name in options}
        return run_playbook(self.spec(tasks, *machines, **options), ssh=self.ssh, check=check, **passed)

    def changed(self, result: PlaybookResult, machine: str = NAME) -> list[str]:
        result.require()
        return [task.task for task in result.hosts[machine].changed]


@pytest.fixture
def bench(tmp_path: Path, own_vault: VaultServer, own_machine: SshServer) -> Iterator[Bench]:
    made = Bench(tmp_path, own_vault, own_machine, own_machine.known_hosts)
    yield made
    made.ssh.close()


def running(text: str) -> list[str]:
    """Return the command lines of processes that hold a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def run_folders() -> set[Path]:
    return set(identity.memory_folder().glob(f"{identity.PREFIX}*/run-*"))


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it didn't come true in time"
        time.sleep(0.05)


def test_a_check_tells_what_a_run_then_does_and_a_second_run_does_nothing(bench: Bench) -> None:
    looked = bench.run(WRITE, check=True)
    assert looked.check
    assert not bench.file.exists()

    done = bench.run(WRITE)
    assert bench.file.read_text() == "xin chào\n"
    assert bench.changed(looked) == bench.changed(done) == ["Write it"]
    assert "+xin chào" in looked.hosts[NAME].changed[0].diff

    assert bench.changed(bench.run(WRITE)) == []
    assert bench.changed(bench.run(WRITE, check=True)) == []


def test_texts_reach_the_machine_as_they_are_whatever_they_hold(bench: Bench) -> None:
    text = "a {{ lookup('pipe', 'id') }} {% raw %} '\"\\ é\u0085\u2028\U0001f310 #: &x *y"
    bench.changed(bench.run(WRITE, text=text))
    assert bench.file.read_bytes().decode() == f"{text}\n"


def test_a_failed_machine_is_named_with_its_task_and_the_others_go_on(bench: Bench) -> None:
    result = bench.run(REFUSE + WRITE, NAME, OTHER)
    assert bench.file.exists()
    assert result.hosts[NAME].error is None
    with pytest.raises(BackendError, match=f"on {OTHER} failed at the task «Refuse»: no such printer.*run again"):
        result.require()


def test_a_full_disk_is_told_from_other_failures_by_a_playbook_and_by_a_script(bench: Bench) -> None:
    error = bench.run(FILL, place="/dev/full").hosts[NAME].error
    assert error is not None
    assert f"on {NAME} failed at the task «Fill», because a disk is full: " in error.message
    assert f"make room on {NAME} (ssh root@127.0.0.1 'df -h; df -i'), then run again" in error.hint
    with pytest.raises(BackendError, match=r"because a disk is full: .*I/O error"):
        bench.ssh.run(NAME, "echo x >/dev/full")


def test_a_machine_that_is_down_fails_alone(bench: Bench) -> None:
    result = bench.run(WRITE, DOWN, NAME)
    assert bench.file.exists()
    assert isinstance(result.hosts[DOWN].error, UnreachableError)
    with pytest.raises(UnreachableError, match=f"{DOWN} .* can't be reached by SSH"):
        result.require()


def test_a_machine_with_another_host_key_is_refused(
    own_vault: VaultServer, own_machine: SshServer, tmp_path: Path
) -> None:
    pinned = tmp_path / "known_hosts"
    pinned.write_text(known_host_line(own_machine.port, make_key(tmp_path / "other")))
    bench = Bench(tmp_path, own_vault, own_machine, pinned)
    with pytest.raises(BackendError, match=f"host key of {NAME} .* is not the one pinned"):
        bench.run(WRITE).require()
    assert not bench.file.exists()
    bench.ssh.close()


def test_a_hung_task_is_given_up_and_ended_on_the_machine(bench: Bench) -> None:
    result = bench.run(SLEEP, seconds=3331, task_seconds=3)
    with pytest.raises(BackendError, match=r"at the task «Sleep».*Timed out after 3 second"):
        result.require()
    assert running("sleep 3331") == []


def test_a_run_that_takes_too_long_is_stopped_and_leaves_nothing(bench: Bench) -> None:
    before = run_folders()
    result = bench.run(WRITE + SLEEP, seconds=3332, timeout=4)
    with pytest.raises(BackendError, match=f"{NAME} did not end in time and was stopped.*run again"):
        result.require()
    assert running("sleep 3332") == []
    assert running(str(bench.folder)) == []
    assert run_folders() <= before
    assert bench.changed(bench.run(WRITE + SLEEP)) in ([], ["Write it"])


def test_an_interrupted_run_stops_at_once(bench: Bench) -> None:
    interrupted = threading.Event()

    def interrupt(event: TaskEvent) -> None:
        if event.task == "Sleep":
            interrupted.set()

    began = time.monotonic()
    result = bench.run(WRITE + SLEEP, seconds=3333, cancelled=interrupted.is_set, on_event=interrupt)
    with pytest.raises(BackendError, match="was interrupted at the task «Sleep»"):
        result.require()
    assert time.monotonic() - began < 30
    assert running("sleep 3333") == []


def test_a_killed_process_takes_its_run_with_it_and_the_next_run_converges(
    bench: Bench, own_vault: VaultServer
) -> None:
    spec = bench.spec(WRITE + SLEEP, seconds=3334)
    program = (
        "import os, sys\nfrom pathlib import Path\nimport msgspec\n"
        "from donvi.backends.vault import VaultClient\n"
        "from donvi.backends.machines import SshRunner, PlaybookRun, run_playbook\n"
        "from donvi.deployment import parse\n"
        "client = VaultClient(os.environ['A'], os.environ['T'], os.environ['C'])\n"
        "ssh = SshRunner(parse(os.environ['D']), client, os.environ['K'])\n"
        f"spec = PlaybookRun(Path({str(spec.playbook)!r}), 'gateways', ({NAME!r},), {dict(spec.variables)!r})\n"
        "run_playbook(spec, ssh=ssh, check=False)\n"
    )
    environment = {
        "A": own_vault.address,
        "T": own_vault.token("apply"),
        "C": own_vault.ca_file,
        "D": msgspec.json.encode(bench.place).decode(),
        "K": str(bench.ssh._known_hosts),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with subprocess.Popen([sys.executable, "-c", program], env={**os.environ, **environment}) as process:
        try:
            wait_until(lambda: bool(running("sleep 3334")))
        finally:
            process.kill()
    wait_until(lambda: not running(str(spec.playbook)))

    assert bench.changed(bench.run(WRITE, text="afterwards")) == ["Write it"]
    assert bench.file.read_text() == "afterwards\n"
    for entry in Path("/proc").glob("[0-9]*/cmdline"):  # the machine's own part of a killed run ends with its task
        with suppress(OSError):
            if b"sleep 3334" in entry.read_bytes().replace(b"\0", b" "):
                os.kill(int(entry.parent.name), signal.SIGKILL)


def test_neither_values_are_in_arguments_nor_tokens_in_the_environment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "s.neverpassedontoansible00")
    secret = "canary-K7w2pQ"
    tasks = (
        WRITE + SLEEP + "    - {name: Look, ansible.builtin.assert: {that: \"lookup('env', 'VAULT_TOKEN') == ''\"}}\n"
    )
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bench.run, tasks, text=secret, seconds=1)
        seen: list[str] = []
        while not waiting.done():
            seen += running(secret)
        waiting.result().require()
    assert seen == []


def test_announced_secrets_are_masked_in_differences(bench: Bench) -> None:
    conceal("canary-in-a-difference")
    result = bench.run(WRITE, text="key is canary-in-a-difference", check=True)
    assert "+key is [redacted]" in result.hosts[NAME].changed[0].diff


def test_a_run_makes_one_connection_to_a_machine(bench: Bench, own_machine: SshServer) -> None:
    log = own_machine.known_hosts.with_name("sshd.log")
    before = log.read_text().count("Accepted publickey")
    bench.changed(bench.run(WRITE + SLEEP + WRITE))
    assert log.read_text().count("Accepted publickey") - before == 1


def test_runs_in_several_threads_keep_apart(bench: Bench) -> None:
    specs = [bench.spec(WRITE, machine, file=str(bench.folder / machine)) for machine in (NAME, OTHER)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda spec: run_playbook(spec, ssh=bench.ssh, check=False), specs))
    assert [[task.task for task in r.hosts[s.machines[0]].changed] for r, s in zip(results, specs, strict=True)] == [
        ["Write it"],
        ["Write it"],
    ]
    assert all((bench.folder / machine).exists() for machine in (NAME, OTHER))


def test_a_playbook_that_cannot_be_read_says_why(bench: Bench) -> None:
    with pytest.raises(BackendError, match=r"did not run: .*no_such_module"):
        bench.run("    - no_such_module: {}\n").require()
    with pytest.raises(UsageError, match=r"no playbook router\.yml"):
        run_playbook(PlaybookRun(Path("/nowhere/router.yml"), "routers", (NAME,)), ssh=bench.ssh, check=True)


def test_a_preview_gets_no_key_and_runs_nothing(bench: Bench, own_vault: VaultServer) -> None:
    ssh = SshRunner(bench.place, own_vault.client("preview"), str(bench.ssh._known_hosts))
    with pytest.raises(PermissionDeniedError):
        run_playbook(bench.spec(WRITE), ssh=ssh, check=True)
    assert not bench.file.exists()
    ssh.close()
