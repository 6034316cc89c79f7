"""Runs the acceptance suite of one unit in a process of its own.

A process, because the suite may hang, be cancelled, or run for several units at once, and because the provider's
process must not carry pytest. The child gets an allow-listed environment and tells each result, as it comes, on a
pipe.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from donvi.errors import UsageError, VerificationError
from donvi.verify.junit import read_junit
from donvi.verify.model import CheckResult

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    from donvi.verify.model import Verdict

ENVIRONMENT = (
    "DONVI_CITY",
    "DONVI_CLOCK",
    "DONVI_DEPLOYMENT",
    "DONVI_KNOWN_HOSTS",
    "HOME",
    "LANG",
    "PATH",
    "TMPDIR",
    "TZ",
    "VAULT_ADDR",
    "VAULT_CACERT",
    "VAULT_TOKEN",
    "XDG_RUNTIME_DIR",
)
"""All that the suite sees of the caller's environment."""

REQUIRED = ("DONVI_DEPLOYMENT", "DONVI_KNOWN_HOSTS", "VAULT_ADDR", "VAULT_CACERT", "VAULT_TOKEN")
POLL_SECONDS = 0.1
TAIL_LINES = 12
SOME_CHECK_NOT_TRUE = 1
"""pytest's exit code when some test failed; 0 is all passed, anything above says that the suite itself couldn't run."""


def verify(
    code: str,
    *,
    environ: Mapping[str, str] | None = None,
    suite: str = "acceptance",
    junit: Path | None = None,
    timeout: float = 180.0,
    cancelled: threading.Event | None = None,
    on_check: Callable[[CheckResult], None] | None = None,
) -> Verdict:
    """Ask the real systems everything that the tenancy of unit ``code`` says must be true.

    :param environ: environment to take the allow-listed variables from; the process's own by default.
    :param suite: folder below ``tests/`` that holds the suite.
    :param junit: where to leave the JUnit report; nowhere by default.
    :param timeout: seconds after which the suite is killed.
    :param cancelled: kills the suite when set.
    :param on_check: called in this thread with each result as it comes.
    :return: the verdict, open or not; :meth:`Verdict.require_open` turns it into an error.
    :raises UsageError: the environment doesn't say where the systems are, or there is no such suite.
    :raises VerificationError: the suite could not run to its end (broken, too slow, cancelled).
    """
    environment = _environment(os.environ if environ is None else environ)
    folder = suite_folder(suite)
    with tempfile.TemporaryDirectory(prefix="donvi-verify-") as scratch:
        report = Path(scratch) / "report.xml"
        with (Path(scratch) / "output").open("w+", encoding="utf-8", errors="replace") as output:
            command = _command(folder, code, report)
            check_time = _clock(code, timeout, cancelled)
            status = _run(command, environment, output, check_time=check_time, on_check=on_check)
            if status > SOME_CHECK_NOT_TRUE or not report.exists():
                raise VerificationError(
                    f"the acceptance suite of unit {code} could not run (exit {status}): {_tail(output)}",
                    hint=f"run `donvi show {code}` to see whether the city's data is sound, then `donvi verify {code}`",
                )
        verdict = read_junit(report)
        if junit is not None:
            junit.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(report, junit)
    return verdict


def suite_folder(suite: str) -> Path:
    """Return the folder of a suite; it is part of the repository, not of the wheel.

    :raises UsageError: there is no such folder.
    """
    folder = Path(__file__).resolve().parents[2] / "tests" / suite
    if not suite.isidentifier() or not (folder / "conftest.py").is_file():
        raise UsageError(f"there is no verification suite {suite} at {folder}", hint="the suite is `acceptance`")
    return folder


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    missing = [name for name in REQUIRED if not environ.get(name)]
    if missing:
        raise UsageError(
            f"{', '.join(missing)} not set: nobody knows where the city's systems are",
            hint='run `eval "$(uv run donvi lab env)"` first',
        )
    chosen = {name: environ[name] for name in ENVIRONMENT if name in environ}
    return chosen | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUTF8": "1"}


def _command(folder: Path, code: str, report: Path) -> list[str]:
    options = ["--unit", code, "--junitxml", str(report), "-q", "-p", "no:cacheprovider", "--tb=line", "--capture=fd"]
    return [sys.executable, "-m", "pytest", str(folder), *options]


def _run(
    command: list[str],
    environment: dict[str, str],
    output: IO[str],
    *,
    check_time: Callable[[], None],
    on_check: Callable[[CheckResult], None] | None,
) -> int:
    """Run the suite to its end, passing results on; return its exit status."""
    with _child(command, environment, output) as (process, events):
        for line in _lines(events, check_time):
            if on_check is not None:
                on_check(msgspec.json.decode(line, type=CheckResult))
        while True:
            check_time()
            with suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_SECONDS)


def _clock(code: str, timeout: float, cancelled: threading.Event | None) -> Callable[[], None]:
    """Return a function that raises once the run was cancelled or has taken too long."""
    deadline = time.monotonic() + timeout

    def check() -> None:
        if cancelled is not None and cancelled.is_set():
            raise VerificationError(f"the verification of unit {code} was cancelled", hint="run it again")
        if time.monotonic() > deadline:
            raise VerificationError(
                f"the verification of unit {code} took longer than {timeout:.0f} s and was stopped",
                hint="a system hangs or the machine is overloaded; look at `donvi lab status`, then run it again",
            )

    return check


@contextmanager
def _child(
    command: list[str], environment: dict[str, str], output: IO[str]
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Start the suite in its own process group, which is gone when the block is left, however it is left."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as events:
        try:
            process = subprocess.Popen(
                [*command, "--results-fd", str(writing)],
                env=environment,
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        try:
            yield process, events
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _lines(pipe: IO[bytes], check_time: Callable[[], None]) -> Iterator[bytes]:
    """Yield the lines of a pipe until its end, calling ``check_time`` at least every :data:`POLL_SECONDS`."""
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            check_time()
            if not selector.select(POLL_SECONDS):
                continue
            chunk = pipe.read(65536)
            if not chunk:
                return
            *whole, pending = (pending + chunk).split(b"\n")
            yield from whole


def _tail(output: IO[str]) -> str:
    output.seek(0)
    lines = [line.strip() for line in output.read().splitlines() if line.strip()]
    return " | ".join(lines[-TAIL_LINES:]) or "it said nothing"
