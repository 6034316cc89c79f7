"""Which apt sources the image is made from, and what its name depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from donvi.errors import LabError
from lab import image

if TYPE_CHECKING:
    from pathlib import Path

DEB822 = """\
# the distribution
Types: deb
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: http://mirror.invalid/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://vendor.invalid/node
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: http://old.invalid/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://commented.invalid/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.invalid/security bookworm-security main
deb http://vendor.invalid/cloud cloud-sdk-bookworm main
deb http://mirror.invalid/debian trixie main
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(image, "SOURCES", (tmp_path / "sources.list", tmp_path / "sources.list.d"))
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path / "sources.list.d"


def test_the_hosts_own_debian_mirrors_are_used_and_no_vendors(sources: Path) -> None:
    (sources / "debian.sources").write_text(DEB822)
    (sources / "more.list").write_text(ONE_LINE)
    (sources / "off.list.disabled").write_text("deb http://off.invalid/debian bookworm main\n")
    text = image.debian_sources()
    uris = [line.removeprefix("URIs: ") for line in text.splitlines() if line.startswith("URIs")]
    assert uris == ["http://mirror.invalid/debian", "http://mirror.invalid/security"]
    assert "Signed-By: /k.gpg" in text


def test_a_host_without_debian_sources_is_refused(sources: Path) -> None:
    (sources / "node.list").write_text("deb http://vendor.invalid/node nodistro main\n")
    with pytest.raises(LabError, match="no apt source"):
        image.debian_sources()


def test_the_images_name_changes_with_the_recipe_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "image"
    recipe.mkdir()
    for file in image.RECIPE.iterdir():
        (recipe / file.name).write_bytes(file.read_bytes())
    before = image.digest()
    monkeypatch.setattr(image, "RECIPE", recipe)
    assert image.digest() == before
    (recipe / "packages.txt").write_text("slapd\n")
    assert image.digest() != before
