"""Configures machines by running an Ansible playbook on them; one typed function around ansible-runner.

What a machine is told travels in files of a folder on tmpfs, which is gone when the run ends, however it ends. Ansible
uses the operator's shared SSH connections, so a run makes no more connections than it needs, and the host keys are the
pinned ones. A machine that fails doesn't hold up the others. Safe for any number of threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import selectors
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from donvi.backends.machines import variables
from donvi.backends.machines.results import HostResult, PlaybookResult, Tally
from donvi.backends.machines.runner import CONNECT_SECONDS
from donvi.errors import BackendError, DonviError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from donvi.backends.machines.results import TaskEvent
    from donvi.backends.machines.runner import SshRunner

POLL_SECONDS = 0.2
END_SECONDS = 5.0
TASK_SECONDS = 120
"""What one task may take before Ansible gives it up on that machine."""
RUN_SECONDS = 900.0
RUN_MARK = "DONVI_RUN"
"""Variable in the environment of everything that a run's tasks start on a machine; playbooks set it."""
CLEAN_UP = """
# a task that was just being started shows up a moment later, so it takes several looks in a row that find nothing
clean=0
while [ "$clean" -lt 3 ]; do
    clean=$((clean + 1))
    for file in /proc/[0-9]*/environ; do
        pid=${file#/proc/}; pid=${pid%/environ}
        if [ "$pid" != $$ ] && grep -qzx "$2=$1" "$file" 2>/dev/null; then
            kill -9 "$pid" 2>/dev/null && clean=0
        fi
    done
    sleep 0.2
done
"""


@dataclass(frozen=True)
class PlaybookRun:
    """What to run.

    :param playbook: the file; an ``ansible.cfg`` beside its folder counts.
    :param group: the group that its plays name.
    :param machines: names in the deployment, or names that ``places`` knows.
    :param variables: JSON values for the plays; they are taken literally, nothing in them is a template.
    :param each: further variables of single machines, taken literally too.
    :param places: what else a machine is called in the run, to its name in the deployment: so that one machine can
        be asked about several parts.
    """

    playbook: Path
    group: str
    machines: tuple[str, ...]
    variables: Mapping[str, Any] = field(default_factory=dict)
    task_seconds: int = TASK_SECONDS
    each: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    def place(self, name: str) -> str:
        """Return the deployment's name of a machine of this run."""
        return self.places.get(name, name)


def run_playbook(
    spec: PlaybookRun,
    *,
    ssh: SshRunner,
    check: bool,
    on_event: Callable[[TaskEvent], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    timeout: float = RUN_SECONDS,
) -> PlaybookResult:
    """Run a playbook, or with ``check`` only look what it would change.

    Machines fail one by one, inside the result: unreachable, another host key, a failed or hung task, a run that was
    cancelled or took longer than ``timeout`` seconds. Running again converges.

    :raises PermissionDeniedError: Vault signs no SSH key for this token; no machine was contacted.
    :raises UsageError: the playbook or a machine doesn't exist.
    """
    if not spec.playbook.is_file():
        raise UsageError(f"there is no playbook {spec.playbook.name}", hint=f"see {spec.playbook.parent}")
    reached, lost = _connect(ssh, spec)
    results = dict(lost)
    if reached:
        results |= _run(spec, reached, ssh, check=check, on_event=on_event, cancelled=cancelled, timeout=timeout)
    ordered = {machine: results[machine] for machine in spec.machines}
    return PlaybookResult(spec.playbook.stem, check, ordered)


def _connect(ssh: SshRunner, spec: PlaybookRun) -> tuple[list[str], dict[str, HostResult]]:
    """Open the shared connections: what fails here is named better than Ansible would."""
    reached, lost = [], {}
    errors: dict[str, BackendError | None] = {}
    for name in spec.machines:
        machine = spec.place(name)
        ssh.shared(machine)
        if machine not in errors:
            errors[machine] = _contact(ssh, machine)
        if error := errors[machine]:
            lost[name] = HostResult(name, error=error)
        else:
            reached.append(name)
    return reached, lost


def _contact(ssh: SshRunner, machine: str) -> BackendError | None:
    try:
        ssh.run(machine, ":")
    except BackendError as error:
        return error
    return None


def _run(
    spec: PlaybookRun,
    machines: list[str],
    ssh: SshRunner,
    *,
    check: bool,
    on_event: Callable[[TaskEvent], None] | None,
    cancelled: Callable[[], bool],
    timeout: float,
) -> dict[str, HostResult]:
    places = {machine: ssh.shared(spec.place(machine))[0] for machine in machines}
    tally = Tally(spec.playbook.stem, {name: f"{place.user}@{place.address}" for name, place in places.items()})
    mark = secrets.token_hex(8)
    first = spec.place(machines[0])
    with ssh.folder(first) as folder:
        _write_files(folder, spec, machines, ssh, mark)
        ended = ""
        with _process(folder, spec, ssh.shared(first)[1], check=check) as process:
            for event in _events(process, time.monotonic() + timeout, cancelled):
                if isinstance(event, str):
                    ended = event
                elif (told := tally.take(event)) and on_event:
                    on_event(told)
        tally.take({"event": "error", "stdout": (folder / "stderr").read_text(errors="replace")})
    for machine in {spec.place(name) for name in (machines if ended else tally.hung())}:
        with contextlib.suppress(DonviError):
            ssh.run(machine, CLEAN_UP, mark, RUN_MARK)
    return tally.results(ended)


def _write_files(folder: Path, spec: PlaybookRun, machines: list[str], ssh: SshRunner, mark: str) -> None:
    hosts = {}
    for machine in machines:
        place, _ = ssh.shared(spec.place(machine))
        hosts[machine] = {"ansible_host": place.address, "ansible_port": place.port, "ansible_user": place.user}
    inventory = {"all": {"children": {spec.group: {"hosts": hosts}}}}
    for name in ("env", "home", "host_vars", "tmp"):
        (folder / name).mkdir(mode=0o700)
    (folder / "hosts.json").write_text(json.dumps(inventory))
    # the name by which ansible-runner finds variables; values never become arguments
    (folder / "env/extravars").write_text(variables.literal({**spec.variables, "donvi_run": mark}))
    for machine in machines:
        if own := spec.each.get(machine):
            (folder / f"host_vars/{machine}.yml").write_text(variables.literal(own))


@contextlib.contextmanager
def _process(folder: Path, spec: PlaybookRun, options: list[str], *, check: bool) -> Iterator[subprocess.Popen[bytes]]:
    """Start the process that runs ansible-runner; at the end it and all it started are gone."""
    with (folder / "stderr").open("wb") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("ansible_process.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            cwd=folder,
            env=_environment(folder, spec, options),
            start_new_session=True,  # an interrupt at the terminal is ours to pass on
        )
    job = {
        "folder": str(folder),
        "playbook": str(spec.playbook.resolve()),
        "inventory": str(folder / "hosts.json"),
        "arguments": "--diff --check" if check else "--diff",
    }
    try:
        if process.stdin is not None:
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _environment(folder: Path, spec: PlaybookRun, options: list[str]) -> dict[str, str]:
    """Return all that Ansible sees of an environment: no token, nothing of the caller's shell."""
    configuration = spec.playbook.resolve().parent.parent / "ansible.cfg"
    if not configuration.is_file():
        configuration = folder / "ansible.cfg"
        configuration.touch()
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "ANSIBLE_CONFIG": str(configuration),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_HOST_KEY_CHECKING": "True",  # ansible-runner turns it off where nobody says so
        "ANSIBLE_SSH_ARGS": shlex.join(options),
        "ANSIBLE_TIMEOUT": str(CONNECT_SECONDS),
        "ANSIBLE_TASK_TIMEOUT": str(spec.task_seconds),
        "ANSIBLE_FORKS": str(max(1, min(len(spec.machines), 8))),
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "ANSIBLE_MAX_DIFF_SIZE": str(1024 * 1024),
    }


def _events(
    process: subprocess.Popen[bytes], deadline: float, cancelled: Callable[[], bool]
) -> Iterator[dict[str, Any] | str]:
    """Yield the run's events; a text says why the run was ended early."""
    pipe = process.stdout
    if pipe is None:
        return
    buffer, reason = b"", ""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not reason and (reason := _reason(deadline, cancelled)):
                yield reason
                if process.stdin is not None:
                    process.stdin.close()
                deadline = time.monotonic() + END_SECONDS
            elif reason and time.monotonic() > deadline:
                return
            if not selector.select(POLL_SECONDS):
                continue
            chunk = os.read(pipe.fileno(), 1 << 16)
            if not chunk:
                return
            *lines, buffer = (buffer + chunk).split(b"\n")
            yield from (json.loads(line) for line in lines)


def _reason(deadline: float, cancelled: Callable[[], bool]) -> str:
    if cancelled():
        return "was interrupted"
    return "did not end in time and was stopped" if time.monotonic() > deadline else ""
