"""Images are the same bytes every time, and what a container runtime can read."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from donvi.errors import LabError
from lab.oci import NAME, File, Recipe, assemble, digest, write

RECIPE = Recipe(
    files=(File("/bin/site", b"program"), File("/etc/passwd", b"nobody", 0o644)),
    entrypoint=("/bin/site",),
)


def unpack(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {entry.name: opened.extractfile(entry).read() for entry in opened if entry.isfile()}  # type: ignore[union-attr]


def packed(*names: str) -> bytes:
    stream = io.BytesIO()
    write(assemble(RECIPE, "amd64"), names, stream)
    return stream.getvalue()


def test_the_same_recipe_gives_the_same_bytes_in_whatever_order_its_files_come() -> None:
    turned = Recipe(files=RECIPE.files[::-1], entrypoint=RECIPE.entrypoint)
    assert assemble(turned, "amd64") == assemble(RECIPE, "amd64")
    assert packed("a") == packed("a")
    known = "sha256:3a219be97ed9bdc64f35d2a002def7ee00fc7646c241f8854b8640bc347fa812"
    assert assemble(RECIPE, "amd64").digest == known, "the format changed, and with it every pinned digest"


def test_another_byte_mode_user_or_machine_is_another_image() -> None:
    images = {
        assemble(RECIPE, "amd64").digest,
        assemble(RECIPE, "arm64").digest,
        assemble(Recipe(RECIPE.files, RECIPE.entrypoint, user="0:0"), "amd64").digest,
        assemble(Recipe((File("/bin/site", b"Program"),), RECIPE.entrypoint), "amd64").digest,
        assemble(Recipe((File("/bin/site", b"program", 0o700),), RECIPE.entrypoint), "amd64").digest,
    }
    assert len(images) == 5


def test_the_layout_holds_every_blob_under_its_digest_and_names_the_image() -> None:
    files = unpack(packed("registry.tphcm.test/site@sha256:1", "registry.tphcm.test/site:1"))
    assert json.loads(files.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(files.pop("index.json"))
    assert [entry["annotations"][NAME] for entry in index["manifests"]] == [
        "registry.tphcm.test/site@sha256:1",
        "registry.tphcm.test/site:1",
    ]
    for path, data in files.items():
        assert path == f"blobs/{digest(data).replace(':', '/')}"
    manifest = json.loads(files[index["manifests"][0]["digest"].replace("sha256:", "blobs/sha256/")])
    for part in (manifest["config"], *manifest["layers"]):
        assert part["size"] == len(files[part["digest"].replace("sha256:", "blobs/sha256/")])


def test_the_layer_is_what_the_configuration_says_and_belongs_to_root() -> None:
    configuration, layer = assemble(RECIPE, "amd64").blobs
    said = json.loads(configuration)
    assert said["rootfs"]["diff_ids"] == [digest(layer)]
    assert said["config"]["User"] == "65532:65532"
    with tarfile.open(fileobj=io.BytesIO(layer)) as opened:
        entries = {entry.name: entry for entry in opened}
    assert list(entries) == ["bin", "etc", "bin/site", "etc/passwd"]
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 0)}
    assert (entries["bin/site"].mode, entries["etc/passwd"].mode) == (0o755, 0o644)


@pytest.mark.parametrize("paths", [("/a", "/a"), ("a",)])
def test_two_files_of_one_path_or_a_relative_path_are_refused(paths: tuple[str, ...]) -> None:
    with pytest.raises(LabError, match="absolute paths, each once"):
        assemble(Recipe(tuple(File(path, b"") for path in paths), ("/a",)), "amd64")
