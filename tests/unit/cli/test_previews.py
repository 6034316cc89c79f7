"""`donvi approve`, `audit` and `report` as a person or CI runs them, without an engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from donvi.fleet.approval import approval_of, write
from donvi.fleet.classes import classify
from donvi.fleet.telling import PreviewReport
from donvi.registry import load_city
from tests.support.previews import fleet, three_changes

ROOT = Path(__file__).parents[3]


def donvi(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name not in {"DONVI_CITY", "FORCE_COLOR"}}
    environ |= {"PULUMI_BACKEND_URL": f"file://{folder}", "DONVI_CACHE": str(folder)}
    command = [sys.executable, "-m", "donvi.cli.main", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, encoding="utf-8", check=False)


def test_a_class_is_shown_and_approved_by_name(tmp_path: Path) -> None:
    city, file = load_city(ROOT / "city"), tmp_path / "seen.json"
    write(approval_of(PreviewReport(classify(fleet(city, three_changes), city), revision="3f2c1ab")), file)

    shown = donvi(tmp_path, "approve", str(file)).stdout
    assert "168 stacks  2 to create, 1 to update  not approved" in shown
    assert "+ create dns:RecordSet kho.‹domain›/A" in shown

    digest = json.loads(file.read_text(encoding="utf-8"))["classes"][0]["digest"]
    assert "approved by" in donvi(tmp_path, "approve", str(file), digest[:6]).stdout
    approved = json.loads(donvi(tmp_path, "approve", str(file), "--json").stdout)["classes"][0]["approved"]
    assert "@" in approved["by"]

    wrong = donvi(tmp_path, "approve", str(file), "zz")
    assert wrong.returncode == 2
    assert digest[:8] in wrong.stderr, "the hint says which there are"


def test_an_audit_without_receipts_has_nothing_to_look_at(tmp_path: Path) -> None:
    done = donvi(tmp_path, "audit")
    assert done.returncode == 0, done.stderr
    assert "No stack is skipped" in done.stdout
    assert json.loads(donvi(tmp_path, "audit", "--json").stdout)["looked"] == []


def test_a_report_of_no_run_says_so(tmp_path: Path) -> None:
    done = donvi(tmp_path, "report")
    assert done.returncode == 2
    assert "there is no run" in done.stderr
