"""Container images as OCI layout archives, written by ``tarfile``: no registry, no build daemon, the same bytes always.

An image is one layer of files and a small configuration. Layers aren't compressed: what compression makes of them
differs from one zlib to the next, and the digest is the image's name. The format is OCI's image specification 1.1.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from donvi.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIGURATION = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
NAME = "io.containerd.image.name"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
NOBODY = "65532:65532"


@dataclass(frozen=True, slots=True)
class File:
    """A file of an image: absolute path, content, mode. Everything belongs to root and is as old as the epoch."""

    path: str
    data: bytes = field(repr=False)
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is made of.

    :param entrypoint: the program and its first arguments.
    :param user: ``uid:gid`` it runs as unless a pod says otherwise.
    :param environment: ``NAME=value`` each.
    """

    files: tuple[File, ...]
    entrypoint: tuple[str, ...]
    user: str = NOBODY
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """An image that was put together; its digest is that of its manifest, as a registry would say."""

    digest: str
    manifest: bytes
    blobs: tuple[bytes, ...] = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of all it holds."""
        return len(self.manifest) + sum(map(len, self.blobs))


def assemble(recipe: Recipe, architecture: str = "") -> Image:
    """Put an image together; the same recipe gives the same digest on every machine.

    :param architecture: in Go's words; empty: this machine's.
    :raises LabError: two files have one path, a path isn't absolute, or the machine's kind isn't known.
    """
    layer = _layer(recipe.files)
    configuration = _json(
        {
            "architecture": architecture or _architecture(),
            "os": "linux",
            "config": {
                "User": recipe.user,
                "Env": ["PATH=/bin", *recipe.environment],
                "Entrypoint": list(recipe.entrypoint),
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIGURATION, configuration),
            "layers": [_descriptor(LAYER, layer)],
        }
    )
    return Image(digest(manifest), manifest, (configuration, layer))


def write(image: Image, names: Sequence[str], stream: BinaryIO) -> None:
    """Write the archive that ``ctr images import`` reads.

    :param names: under which the image is imported, such as ``registry.tphcm.test/site@sha256:…``.
    """
    manifests = [{**_descriptor(MANIFEST, image.manifest), "annotations": {NAME: name}} for name in names]
    index = _json({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests})
    contents = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": index}
    contents |= {f"blobs/{digest(blob).replace(':', '/')}": blob for blob in (image.manifest, *image.blobs)}
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in ("blobs", "blobs/sha256"):
            _add_folder(archive, folder)
        for path, data in sorted(contents.items()):
            _add_file(archive, path, data, 0o644)


def digest(data: bytes) -> str:
    """Return a blob's name."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _architecture() -> str:
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise LabError(f"images can't be made on {machine}", hint=f"Known are {', '.join(sorted(ARCHITECTURES))}.")
    return ARCHITECTURES[machine]


def _layer(files: Sequence[File]) -> bytes:
    found = {file.path: file for file in files}
    if len(found) != len(files) or not all(path.startswith("/") for path in found):
        raise LabError(f"an image's files need absolute paths, each once: {', '.join(sorted(found))}")
    folders = {parent for path in found for parent in PurePosixPath(path[1:]).parents} - {PurePosixPath()}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in sorted(map(str, folders)):
            _add_folder(archive, folder)
        for path, file in sorted(found.items()):
            _add_file(archive, path[1:], file.data, file.mode)
    return stream.getvalue()


def _add_folder(archive: tarfile.TarFile, path: str) -> None:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    archive.addfile(entry)


def _add_file(archive: tarfile.TarFile, path: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(path)  # owner root, time 0
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))


def _descriptor(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest(blob), "size": len(blob)}


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
