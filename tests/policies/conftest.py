"""The pack in the real engine, on the real API server; rules alone need neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from policies.city import CityFacts, read_city
from tests.engine.project import ROOT
from tests.policies.commands import Engine, copied
from tests.support.control_plane import control_plane  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from tests.support.control_plane import ControlPlane

SPACE = "unit-26506-public"


@pytest.fixture(scope="session")
def city() -> CityFacts:
    """The real city's names and numbers."""
    return read_city(ROOT / "city")


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane) -> ControlPlane:  # noqa: F811
    """A control plane with the namespace that the examples' objects lie in."""
    space = {"metadata": {"name": SPACE, "labels": {"donvi/unit": "26506"}}}
    control_plane.client().post("/api/v1/namespaces", space)
    return control_plane


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory, cluster: ControlPlane) -> Engine:
    """The examples' project, talking to the control plane."""
    folder = tmp_path_factory.mktemp("examples")
    config = folder / "kubeconfig"
    config.write_text(cluster.kubeconfig(), encoding="utf-8")
    return Engine(folder, copied(folder), KUBECONFIG=str(config))
