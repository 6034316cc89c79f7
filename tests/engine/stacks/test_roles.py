"""What the operator role ``preview`` can and can't: CI runs a merge request's code with it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.engine.lab import ROOT, Lab

if TYPE_CHECKING:
    from pathlib import Path

UNIT = "26506-vung-tau"
CODE = "26506"


@pytest.fixture(scope="module")
def onlooker(lab: Lab) -> Lab:
    """An operator with a token of the role ``preview``."""
    shown = subprocess.run(
        ["donvi", "lab", "env", "--role", "preview", "--json"],
        cwd=ROOT,
        env=lab.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return Lab({**lab.environ, **json.loads(shown.stdout)})


@pytest.fixture
def busier_city(tmp_path: Path) -> Path:
    """The city with one more person, one more record's value and one more address in the unit."""
    city = tmp_path / "city"
    shutil.copytree(ROOT / "city", city)
    roster = city / f"people/{CODE}.csv"
    text = roster.read_text(encoding="utf-8")
    first = text.splitlines()[1].split(",")
    line = ",".join(["cb-265098", "Lý Thường Ẩn", first[2], "an.ly-thuong", "98", "yes"])
    roster.write_text(f"{text.rstrip()}\n{line}\n", encoding="utf-8")
    return city


def test_the_preview_role_previews_and_looks_for_drift(onlooker: Lab) -> None:
    onlooker.pulumi("preview", "--stack", UNIT, "--expect-no-changes")
    onlooker.pulumi("refresh", "--stack", UNIT, "--preview-only")


def test_every_write_attempted_with_the_preview_role_fails(lab: Lab, onlooker: Lab, busier_city: Path) -> None:
    planned = onlooker.changed(UNIT, DONVI_CITY=str(busier_city))
    assert planned["Account/cb-265098"] == "create"

    told = onlooker.pulumi(
        "up", "--stack", UNIT, "--yes", "--skip-preview", "--continue-on-error", fails=True, DONVI_CITY=str(busier_city)
    )

    assert "does not allow this token" in told
    assert "apply" in told, "the remedy names the role that may"
    found = lab.services.directory_read.search("dc=tphcm,dc=test", "(uid=cb-265098)")
    assert found == []
    lab.pulumi("preview", "--stack", UNIT, "--expect-no-changes")


def test_the_preview_role_can_neither_sign_keys_nor_read_write_credentials(onlooker: Lab) -> None:
    from donvi.errors import PermissionDeniedError

    vault = onlooker.services.vault
    for path in ("backends/directory/write", f"backends/dns/tsig/{CODE}", f"probes/{CODE}/probe-{CODE}-mail-user"):
        with pytest.raises(PermissionDeniedError):
            vault.kv_read(path)
    with pytest.raises(PermissionDeniedError):
        vault.kv_write("archive/certificates/26506/x/00", {"pem": "x"})
    with pytest.raises(PermissionDeniedError):
        onlooker.services.ssh.run(f"gw-{CODE}", "true")
