"""Which Kubernetes plugin the engine finds, and that the stand-in is the version that the SDK asks for."""

from __future__ import annotations

import json
from importlib.metadata import files, version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import environment, plugins
from lab.kubernetes_plugin import PROGRAM, VERSION

if TYPE_CHECKING:
    from lab.settings import LabSettings


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home without any plugin."""
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    return tmp_path / "person"


def install(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / PROGRAM).write_text("#!/bin/sh\n", encoding="utf-8")
    (folder / PROGRAM).chmod(0o755)


def entries(lab: LabSettings, current: str = "/usr/bin:/bin") -> list[str]:
    return environment.search_path(lab, current).split(":")


def test_without_an_official_plugin_the_stand_in_is_on_the_path(paper_lab: LabSettings) -> None:
    assert str(plugins.stand_in(paper_lab)) in entries(paper_lab)
    assert (plugins.stand_in(paper_lab) / PROGRAM).stat().st_mode & 0o111


def test_an_official_plugin_in_the_labs_pulumi_home_is_used(paper_lab: LabSettings) -> None:
    before = environment.search_path(paper_lab, "/usr/bin:/bin")
    install(paper_lab.home / "pulumi-home/plugins" / plugins.INSTALLED)
    assert str(plugins.stand_in(paper_lab)) not in entries(paper_lab, before), "also when it was on PATH before"


def test_an_official_plugin_in_the_persons_home_is_used(paper_lab: LabSettings, nobodys_home: Path) -> None:
    install(nobodys_home / ".pulumi/plugins" / plugins.INSTALLED)
    assert str(plugins.stand_in(paper_lab)) not in entries(paper_lab)
    assert (paper_lab.home / "pulumi-home/plugins" / plugins.INSTALLED / PROGRAM).exists()


def test_an_official_plugin_on_the_path_is_used(paper_lab: LabSettings, tmp_path: Path) -> None:
    install(tmp_path / "bin")
    assert str(plugins.stand_in(paper_lab)) not in entries(paper_lab, f"{tmp_path}/bin:/usr/bin")


def test_another_version_is_no_official_plugin(paper_lab: LabSettings) -> None:
    install(paper_lab.home / "pulumi-home/plugins/resource-kubernetes-v3.0.0")
    assert str(plugins.stand_in(paper_lab)) in entries(paper_lab)


def test_the_stand_in_is_the_version_that_the_sdk_asks_for() -> None:
    assert version("pulumi-kubernetes") == VERSION
    (named,) = [file for file in files("pulumi-kubernetes") or [] if file.name == "pulumi-plugin.json"]
    assert json.loads(Path(str(named.locate())).read_text(encoding="utf-8"))["version"] == VERSION
