"""``donvi policy list``: what a reviewer reads first."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from policies.register import ALL
from tests.engine.project import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def donvi(*arguments: str, code: int = 0, **variables: str) -> str:
    command = [str(ROOT / ".venv/bin/donvi"), "policy", "list", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def register(folder: Path, rule: str) -> str:
    path = folder / "waivers.yaml"
    lines = [f"rule: {rule}", 'unit: "26506"', "owner: Phòng An toàn thông tin", "reason: delivered in January"]
    lines += ["granted: 2026-11-01", "expires: 2027-01-31"]
    path.write_text("waivers:\n  - " + "\n    ".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_rules_and_waivers_are_listed_with_what_a_reviewer_asks_for(tmp_path: Path) -> None:
    given = {"DONVI_WAIVERS": register(tmp_path, "image-by-digest"), "DONVI_CLOCK": "2027-02-01T00:00:00Z"}
    found: dict[str, Any] = json.loads(donvi("--json", **given))
    assert [rule["id"] for rule in found["rules"]] == [rule.id for rule in ALL]
    assert all(rule["title_vi"] and rule["remedy"] and rule["standard"] for rule in found["rules"])
    (waiver,) = found["waivers"]
    assert (waiver["unit"], waiver["owner"], waiver["state"]) == ("26506", "Phòng An toàn thông tin", "expired")
    page = donvi(**given)
    assert "image-by-digest" in page
    assert "expired" in page


def test_a_wrong_register_exits_2_and_names_file_row_and_remedy(tmp_path: Path) -> None:
    said = donvi(code=2, DONVI_WAIVERS=register(tmp_path, "image-by-digset"))
    assert "waivers.yaml:2:" in said
    assert "did you mean 'image-by-digest'?" in said
