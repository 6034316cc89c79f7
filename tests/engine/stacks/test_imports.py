"""``pulumi import`` by hand takes real objects over into another project, and the preview after it shows no change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.kinds import IMPORTED
from tests.engine.project import ROOT, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.lab import Lab

UNIT = "26506-vung-tau"
PROGRAM = """
import json, pathlib, pulumi
for name, (token, inputs) in json.loads(pathlib.Path("declared.json").read_text()).items():
    pulumi.CustomResource(token, name, inputs)
"""


def one_of_each(lab: Lab) -> dict[str, dict[str, Any]]:
    """One real resource per kind, by a plain name."""
    found: dict[str, dict[str, Any]] = {}
    for name, resource in lab.resources(UNIT).items():
        kind = name.partition("/")[0]
        if kind in IMPORTED and resource["inputs"].get("kind") != "probe":
            found.setdefault(kind.lower(), resource)
    return found


@pytest.fixture
def elsewhere(lab: Lab, tmp_path: Path) -> Iterator[Project]:
    """A project of its own with the real provider and no resource; the provider's default configuration."""
    made = Project(tmp_path, dict(lab.environ), plugin=ROOT / "donvi/provider/plugin")
    made.init()
    yield made
    made.end()


def test_every_kind_is_imported_by_the_cli_and_then_shows_no_change(lab: Lab, elsewhere: Project) -> None:
    real = one_of_each(lab)
    assert set(real) == {kind.lower() for kind in IMPORTED}
    wanted = []
    for name, resource in real.items():
        serial = f"/{resource['outputs']['serial']}" if name == "certificate" else ""
        wanted.append({"type": resource["type"], "name": name, "id": resource["id"] + serial})
    (elsewhere.folder / "wanted.json").write_text(json.dumps({"resources": wanted}), encoding="utf-8")
    declared = {name: [resource["type"], resource["inputs"]] for name, resource in real.items()}
    (elsewhere.folder / "declared.json").write_text(json.dumps(declared), encoding="utf-8")
    (elsewhere.folder / "__main__.py").write_text(PROGRAM, encoding="utf-8")

    elsewhere.run("import", "--yes", "--skip-preview", "--generate-code=false", "--protect=false", "-f", "wanted.json")

    elsewhere.run("preview", "--expect-no-changes")


@pytest.mark.parametrize(
    ("token", "identifier", "remedy"),
    [
        ("donvi:verify:Verification", "verification/26506", "it runs by itself"),
        ("donvi:directory:Group", "cn=nobody,ou=groups,ou=26506,ou=units,dc=tphcm,dc=test", "does not exist"),
    ],
)
def test_what_cannot_be_imported_says_why(elsewhere: Project, token: str, identifier: str, remedy: str) -> None:
    (elsewhere.folder / "__main__.py").write_text("", encoding="utf-8")
    told = elsewhere.run(
        "import", "--yes", "--skip-preview", "--generate-code=false", token, "it", identifier, fails=True
    )
    assert remedy in told
