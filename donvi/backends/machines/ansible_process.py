"""The process in which ansible-runner runs: one playbook, told as JSON lines on standard output.

A process of its own, because ansible-runner passes on the whole environment of the process it is in (tokens included),
takes over its signal handlers, may end it, and forks, which a process with gRPC threads must not. It is started as a
file, with nothing of donvi imported.

Standard input: one line, the job ``{"folder", "playbook", "inventory", "arguments"}``; then it stays open for as long
as the run may go on. When it is closed, also by the death of whoever started us, the run is cancelled. At the end
nothing that the run started is alive, not even what left its process group (Ansible's workers do).
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.2
GRACE_SECONDS = 1.0
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
RUNNER_SETTINGS = {"pexpect_timeout": POLL_SECONDS, "suppress_ansible_output": True}
"""How often ansible-runner looks whether it is cancelled; its own 5 s would make every cancel slow."""

TOLD = frozenset(
    {
        "playbook_on_task_start",
        "playbook_on_stats",
        "runner_on_failed",
        "runner_on_ok",
        "runner_on_skipped",
        "runner_on_start",
        "runner_on_unreachable",
        "verbose",
        "error",
    }
)


def main() -> None:
    """Run the job that standard input describes."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        status = run(read_job())
    finally:
        end_descendants()
    tell({"event": "end", "status": status})


def run(job: dict[str, Any]) -> str:
    """Run the playbook; return ansible-runner's last word: ``successful``, ``failed`` or ``canceled``."""
    from ansible_runner.config.runner import RunnerConfig
    from ansible_runner.runner import Runner

    folder = Path(job["folder"])
    (folder / "env").mkdir(exist_ok=True)
    # settings given as an argument are forgotten unless this file exists
    (folder / "env/settings").write_text(json.dumps(RUNNER_SETTINGS))
    config = RunnerConfig(
        private_data_dir=job["folder"],
        playbook=job["playbook"],
        inventory=job["inventory"],
        cmdline=job["arguments"],
        ident="run",
        quiet=True,
        fact_cache_type="memory",
    )
    config.prepare()
    runner = Runner(config, event_handler=on_event, cancel_callback=closed)
    status, _ = runner.run()
    return str(status)


def on_event(event: dict[str, Any]) -> bool:
    """Pass on what matters of an event; returning false keeps it from being written to a file."""
    kind, data = event.get("event", ""), event.get("event_data", {})
    if kind in TOLD:
        result = data.get("res") or {}
        tell(
            {
                "event": kind,
                "host": data.get("host", ""),
                "role": data.get("role") or "",
                "task": data.get("task") or "",
                "uuid": data.get("task_uuid") or "",
                "handler": bool(data.get("is_conditional")),  # ansible-runner's word for it
                "changed": bool(result.get("changed")),
                "diff": diffs(result),
                "said": words(result),
                "stdout": event.get("stdout", "") if kind in {"verbose", "error"} else "",
                "failures": {**data.get("failures", {}), **data.get("dark", {})} if kind == "playbook_on_stats" else {},
                "ok": data.get("ok", {}) if kind == "playbook_on_stats" else {},
            }
        )
    return False


def diffs(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the differences that a module reported, those of a loop's items included."""
    found: list[dict[str, Any]] = []
    for one in [result, *(item for item in result.get("results") or [] if isinstance(item, dict))]:
        given = one.get("diff") or []
        found += [part for part in (given if isinstance(given, list) else [given]) if isinstance(part, dict)]
    return found


def words(result: dict[str, Any]) -> str:
    """Return what a module says about its failure."""
    parts = [str(result[name]) for name in ("msg", "stderr", "module_stderr", "reason") if result.get(name)]
    items = [item for item in result.get("results") or [] if isinstance(item, dict) and item.get("failed")]
    parts += map(words, items)
    if not parts and result.get("censored"):
        parts.append("its output is hidden, because it holds secrets")
    return ": ".join(dict.fromkeys(part.strip() for part in parts))


def tell(line: dict[str, Any]) -> None:
    """Write one line of JSON."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def read_job() -> dict[str, Any]:
    """Read the job's line, and not a byte more: what follows says whether the run may go on."""
    text = bytearray()
    while byte := os.read(0, 1):
        if byte == b"\n":
            break
        text += byte
    job: dict[str, Any] = json.loads(text)
    return job


def closed() -> bool:
    """Say whether standard input was closed."""
    readable, _, _ = select.select([0], [], [], 0)
    return bool(readable) and not os.read(0, 1)


def end_descendants() -> None:
    """End everything below this process, gently at first."""
    deadline = time.monotonic() + GRACE_SECONDS
    while children := descendants():
        number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, number)
        reap()
        time.sleep(0.02)


def reap() -> None:
    """Collect children that have ended; as a subreaper we inherit all orphans below us."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def descendants() -> list[int]:
    """Return the processes below this one that still run."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            below.setdefault(int(parent), []).append(int(entry.parent.name))
    found, waiting = [], [os.getpid()]
    while waiting:
        children = below.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


if __name__ == "__main__":
    main()
