"""One stack's program in a process of its own that was forked with everything imported already.

To the engine it is the project's language host, so that the engine's records name the same runtime as by hand. What a
program prints and how it fails is told as the official Python host tells it.
"""

from __future__ import annotations

import _thread
import ast
import contextlib
import json
import os
import queue
import shutil
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime import proto
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, language_pb2_grpc, plugin_pb2

from donvi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

THREADS = 4
SCRIPT = "pulumi-language-python-exec"
SHOWN = 32
"""Exit code by which the script says that it told the person what is wrong."""
ENDED = "__donvi_ended__"
_OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024), ("grpc.so_reuseport", 0)]
_PLUGIN_FILE = "*/pulumi-plugin.json"


def serve(code: CodeType, announce: Callable[[int], None]) -> None:
    """Serve one engine until this process is killed.

    :param code: the official script, compiled.
    :param announce: told the port.
    """
    jobs: queue.SimpleQueue[tuple[Any, str, Future[Any]]] = queue.SimpleQueue()
    server = grpc.server(ThreadPoolExecutor(THREADS), options=_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Language(jobs), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    announce(port)
    while True:
        request, engine, answer = jobs.get()
        try:
            answer.set_result(run(code, request, engine))
        except BaseException as error:  # noqa: BLE001 - the engine gets it as the call's error
            answer.set_exception(error)


class Language(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers an engine; ``Run`` is handed to the main thread.

    :param jobs: requests with the engine's address and where the answer goes.
    """

    def __init__(self, jobs: queue.SimpleQueue[tuple[Any, str, Future[Any]]]) -> None:
        self._jobs = jobs
        self._engines: dict[str, str] = {}

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802 - names of the protocol
        """Learn the engine's address; one command opens several connections, each with an engine of its own."""
        self._engines[context.peer()] = request.engine_address
        return proto.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Return nothing that is known."""
        return plugin_pb2.PluginInfo()

    def About(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Return the interpreter, for the update's record."""
        version = ".".join(str(part) for part in sys.version_info[:3])
        return proto.AboutResponse(executable=shutil.which("python3") or sys.executable, version=version)

    def GetRequiredPackages(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Return the provider packages that are installed for programs, as ``pip list`` would lead to them."""
        return proto.GetRequiredPackagesResponse(packages=list(required()))

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Run the program and say how it ended."""
        answer: Future[Any] = Future()
        self._jobs.put((request, self._engines.get(context.peer(), ""), answer))
        return answer.result()

    def Cancel(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Nothing to do: the engine refuses what the program asks for from now on."""
        return empty_pb2.Empty()


def required() -> Iterator[Any]:
    """Yield the provider plugins that installed packages name."""
    for folder in dict.fromkeys(entry for entry in sys.path if entry.endswith("site-packages")):
        for file in sorted(Path(folder).glob(_PLUGIN_FILE)):
            about = json.loads(file.read_text(encoding="utf-8"))
            if about.get("resource"):
                name, version = about.get("name") or file.parent.name, str(about.get("version", ""))
                known = f"v{version.removeprefix('v')}" if version else ""
                server = about.get("server", "")
                yield proto.PackageDependency(name=name, kind="resource", version=known, server=server)


def official() -> Path:
    """Return the script by which the official language host runs a program.

    :raises UsageError: it isn't on PATH.
    """
    found = shutil.which(SCRIPT)
    if found is None:
        raise UsageError(f"{SCRIPT} is not on PATH", hint="it lies beside pulumi-language-python")
    return Path(found)


def compiled(script: Path) -> CodeType:
    """Compile the script so that it says how it ended instead of leaving its process.

    Its text, lines and name stay: the engine records them with every resource.
    """
    tree = ast.parse(script.read_bytes(), filename=str(script))
    handler = ast.parse(f"try:\n    pass\nexcept BaseException as _left:\n    {ENDED}(_left)\nelse:\n    {ENDED}(None)")
    (guard,) = handler.body
    assert isinstance(guard, ast.Try)  # noqa: S101 - it is what was parsed
    guard.body, tree.body = tree.body, [guard]
    return compile(tree, str(script), "exec")


def run(code: CodeType, request: Any, engine: str) -> Any:
    """Run a program to its end as the official language host does, and return the answer to the engine.

    It runs at the very bottom of a thread, so that not one frame of ours is in the traces that the engine records.
    """
    left: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    sys.argv = [code.co_filename, *arguments(request, engine)]
    sys.path[0] = str(Path(code.co_filename).parent)
    os.environ["PULUMI_CONFIG"] = json.dumps(dict(request.config))
    os.environ["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
    scope = {"__name__": "__main__", "__file__": code.co_filename, "__builtins__": __builtins__, ENDED: left.put}
    with _printed(engine):
        _thread.start_new_thread(exec, (code, scope))
        error = left.get()
    return answer(error)


def arguments(request: Any, engine: str) -> list[str]:
    """Return the script's command line."""
    named = {
        "monitor": request.monitor_address,
        "engine": engine,
        "project": request.project,
        "stack": request.stack,
        "pwd": request.pwd,
        "dry_run": str(request.dryRun).lower(),
        "parallel": str(request.parallel),
        "organization": request.organization,
    }
    line = [part for name, value in named.items() if value for part in (f"--{name}", value)]
    return [*line, request.program or ".", *request.args]


def answer(error: BaseException | None) -> Any:
    """Return what the engine is told of how the script ended."""
    if error is None:
        return proto.RunResponse()
    if not isinstance(error, SystemExit):
        return proto.RunResponse(error=f"program exited unexpectedly: {type(error).__name__}: {error}")
    code = error.code if isinstance(error.code, int) else int(error.code is not None)
    if code == SHOWN:
        return proto.RunResponse(bail=True)
    return proto.RunResponse(error=f"program exited with non-zero exit code: {code}" if code else "")


@contextlib.contextmanager
def _printed(engine: str) -> Iterator[None]:
    """Show what a program prints as lines of the stack."""
    reader, writer = os.pipe()
    saved = [os.dup(number) for number in (1, 2)]
    for number in (1, 2):
        os.dup2(writer, number)
    os.close(writer)
    teller = threading.Thread(target=_tell, args=(reader, engine), daemon=True)
    teller.start()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in zip((1, 2), saved, strict=True):
            os.dup2(before, number)
            os.close(before)
        teller.join()


def _tell(reader: int, engine: str) -> None:
    with open(reader, encoding="utf-8", errors="replace") as lines:
        stub = None
        for line in lines:
            if stub is None and engine:
                stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine))
            if stub is not None:
                with contextlib.suppress(grpc.RpcError):
                    stub.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=line))
