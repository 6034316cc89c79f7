"""One stack's program in a process of its own that was forked with everything imported already.

To the engine it is the project's language host, so that the engine's records name the same runtime as by hand. What a
program prints and how it fails is told as the official Python host tells it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import queue
import runpy
import shutil
import sys
import threading
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
import pulumi
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime import proto
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, language_pb2_grpc, plugin_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 4
_OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024), ("grpc.so_reuseport", 0)]
_PLUGIN_FILE = "*/pulumi-plugin.json"


def serve(announce: Callable[[int], None]) -> None:
    """Serve one engine until this process is killed; programs run in this thread.

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
            answer.set_result(run(request, engine))
        except BaseException as error:  # noqa: BLE001 - the engine gets it as the call's error
            answer.set_exception(error)


class Language(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers an engine; ``Run`` is handed to the main thread, where a program expects to be.

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
        return proto.GetRequiredPackagesResponse(packages=[proto.PackageDependency(**one) for one in required()])

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Run the program and say how it ended."""
        answer: Future[Any] = Future()
        self._jobs.put((request, self._engines.get(context.peer(), ""), answer))
        return answer.result()

    def Cancel(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Nothing to do: the engine refuses what the program asks for from now on."""
        return empty_pb2.Empty()


def required() -> Iterator[dict[str, str]]:
    """Yield the provider plugins that installed packages name."""
    for folder in dict.fromkeys(entry for entry in sys.path if entry.endswith("site-packages")):
        for file in sorted(Path(folder).glob(_PLUGIN_FILE)):
            about = json.loads(file.read_text(encoding="utf-8"))
            if about.get("resource"):
                name, version = about.get("name") or file.parent.name, str(about.get("version", ""))
                found = {"name": name, "kind": "resource", "server": about.get("server", "")}
                yield {**found, "version": f"v{version.removeprefix('v')}"} if version else found


def run(request: Any, engine: str) -> Any:
    """Run a program to its end, in this thread, and return the answer to the engine."""
    _configure(request, engine)
    sys.argv = [request.program, *request.args]
    os.chdir(request.pwd)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # futures that nobody awaits are the SDK's way
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    threads = ThreadPoolExecutor(max(request.parallel, 1) * 4)
    loop.set_default_executor(threads)
    try:
        with _printed(engine):
            return _outcome(loop, request.program)
    finally:
        threads.shutdown(wait=True)
        loop.close()


def _configure(request: Any, engine: str) -> None:
    pulumi.runtime.set_all_config(dict(request.config), list(request.configSecretKeys))
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=request.project,
            stack=request.stack,
            monitor=request.monitor_address,
            engine=engine,
            parallel=request.parallel,
            dry_run=request.dryRun,
            organization=request.organization,
            root_directory=request.info.root_directory,
        )
    )


def _outcome(loop: asyncio.AbstractEventLoop, program: str) -> Any:
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: runpy.run_path(program, run_name="__main__")))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return proto.RunResponse(error="program exited with non-zero exit code: 1")
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        return proto.RunResponse(error=f"program exited with non-zero exit code: {code}" if code else "")
    except Exception:  # noqa: BLE001 - whatever a program raises is shown
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_trace(program)}")
        return proto.RunResponse(bail=True)
    return proto.RunResponse()


def _trace(program: str) -> str:
    """Return the traceback from the program's own first line on."""
    main = str(Path(program, "__main__.py").resolve() if Path(program).is_dir() else Path(program).resolve())
    frames = traceback.extract_tb(sys.exc_info()[2])
    for index, frame in enumerate(frames):
        if str(Path(frame.filename).resolve()) == main:
            return traceback.format_exc(limit=index - len(frames))
    return traceback.format_exc()


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
