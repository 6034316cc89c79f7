"""One control plane for all, one namespace and one project per test."""

from __future__ import annotations

import shutil
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.engine.kubernetes.project import Project
from tests.engine.project import tool_path
from tests.support.control_plane import control_plane  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.control_plane import ControlPlane, Kube


@pytest.fixture(scope="session")
def kube(control_plane: ControlPlane) -> Kube:  # noqa: F811
    """A client that asks as administrator."""
    return control_plane.client()


@pytest.fixture(scope="session")
def empty_stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an initialised, empty stack; making one takes as long as a preview, copying it nothing."""
    if shutil.which("pulumi", path=tool_path()) is None:
        pytest.fail("pulumi isn't on PATH: run `make test`, or set DONVI_TOOLS to the folder that holds it")
    made = Project(tmp_path_factory.mktemp("template"), "", "")
    made.init()
    return made.folder


@pytest.fixture
def namespace(kube: Kube) -> str:
    """A namespace of the test's own, made by somebody else than the program."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    kube.post("/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture
def project(tmp_path: Path, empty_stack: Path, control_plane: ControlPlane, namespace: str) -> Project:  # noqa: F811
    """A fresh project whose provider is the administrator."""
    shutil.copytree(empty_stack, tmp_path, dirs_exist_ok=True)
    return Project(tmp_path, control_plane.kubeconfig(), namespace)
