"""What is built is what the city pins, from any clone, and anything else is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from donvi.errors import LabError
from donvi.registry import Image, load_city
from lab import images, oci
from lab.settings import LabSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ours() -> LabSettings:
    return LabSettings.from_environment()


def test_the_city_pins_the_site_that_this_clone_builds(ours: LabSettings, tmp_path: Path) -> None:
    """From another folder and an empty cache too: no path and no time goes into the image."""
    clone = tmp_path / "clone"
    shutil.copytree(ours.repository / "tools/site", clone / "tools/site")
    elsewhere = replace(ours, repository=clone, cache=tmp_path / "cache")
    pinned = load_city(ours.repository / "city").images[images.SITE]
    source = images.sources(ours, lambda _: None)[images.SITE]
    made = oci.assemble(images._own(elsewhere, images.SITE, lambda _: None)())
    assert pinned.digest == made.digest
    assert images.build(ours, images.SITE, source, pinned.repository, pinned).reference == pinned.reference


def test_another_digest_than_the_pinned_one_is_refused_and_both_are_named(ours: LabSettings) -> None:
    other = Image(id="site", reference=f"registry.tphcm.test/site@sha256:{'0' * 64}")
    source = images.sources(ours, lambda _: None)[images.SITE]
    with pytest.raises(LabError) as caught:
        images.build(ours, images.SITE, source, other.repository, other)
    assert other.reference in str(caught.value)
    built = images.build(ours, images.SITE, source, other.repository, None)
    assert built.reference in str(caught.value)


def test_another_source_is_another_key(ours: LabSettings, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(ours.repository / "tools/site", clone / "tools/site")
    copy = replace(ours, repository=clone)
    assert images.program_key(copy) == images.program_key(ours)
    (clone / "tools/site/cmd/site/main_test.go").write_text("package main\n")
    assert images.program_key(copy) == images.program_key(ours), "a test isn't part of the program"
    (clone / "tools/site/cmd/site/more.go").write_text("package main\n")
    assert images.program_key(copy) != images.program_key(ours)
