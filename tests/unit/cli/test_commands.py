"""The command as a person or a program runs it: a process of its own, its output and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def donvi(*arguments: str, city: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in {"DONVI_CITY", "FORCE_COLOR"}}
    environment |= {"DONVI_CITY": str(city)} if city else {}
    command = [sys.executable, "-m", "donvi.cli.main", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)


def test_units_as_json_are_168_objects_with_six_fields() -> None:
    done = donvi("units", "--json")
    assert done.returncode == 0
    units = json.loads(done.stdout)
    assert len(units) == 168
    assert {tuple(unit) for unit in units} == {("code", "name", "slug", "kind", "locality", "wave")}
    assert len({unit["slug"] for unit in units}) == 168


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--wave", "1"], 15),
        (["--kind", "dac khu"], 1),
        (["--locality", "ba ria vung tau"], 30),
        (["--locality", "Bình Dương", "--kind", "xã"], 12),
    ],
)
def test_units_are_filtered_with_or_without_accents(arguments: list[str], count: int) -> None:
    assert len(json.loads(donvi("units", "--json", *arguments).stdout)) == count


def test_an_unknown_filter_value_lists_those_there_are() -> None:
    done = donvi("units", "--locality", "Huế")
    assert done.returncode == 2
    assert "Bình Dương" in done.stderr


def test_show_as_json_is_one_object_with_everything() -> None:
    done = donvi("show", "vung tau", "--json")
    assert done.returncode == 0
    shown = json.loads(done.stdout)
    assert shown["unit"]["code"] == "26506"
    for key in ("accounts", "mailboxes", "certificates", "segments", "flows", "apps", "endpoints"):
        assert shown[key], key


def test_show_gives_the_same_bytes_however_the_unit_is_named() -> None:
    assert donvi("show", "26506", "--json").stdout == donvi("show", "Phường Vũng Tàu", "--json").stdout


def test_the_page_says_who_can_do_what_and_why_and_what_is_made_up() -> None:
    page = donvi("show", "vung-tau").stdout
    assert "Huỳnh Phước Lộc" in page
    assert "chức vụ: Văn thư" in page
    assert "vanthu@vung-tau.tphcm.test" in page
    assert "gw.vung-tau.tphcm.test" in page
    assert "10.3.64.0/20" in page
    assert "giả lập: chưa có nguồn" in page
    assert "\x1b" not in page, "colours belong on a terminal only"


def test_the_page_of_a_unit_without_people_says_so() -> None:
    done = donvi("show", "con dao")
    assert done.returncode == 0
    assert "không có" in done.stdout


def test_an_ambiguous_name_exits_2_and_lists_both_units() -> None:
    done = donvi("show", "thanh an")
    assert (done.returncode, done.stdout) == (2, "")
    assert "25807" in done.stderr
    assert "27676" in done.stderr


def test_an_error_for_programs_is_an_object_with_code_message_and_hint() -> None:
    done = donvi("show", "vung tao", "--json")
    assert done.returncode == 2
    error = json.loads(done.stderr)
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] == "usage"
    assert "26506" in error["hint"]


def test_bad_data_is_an_error_with_its_place_and_no_traceback(
    city_copy: Path, edit: Callable[[str, str, str], None]
) -> None:
    edit("people/26506.csv", "Huỳnh Phước Lộc", "*)(uid=*")
    done = donvi("show", "26506", city=city_copy)
    assert done.returncode == 2
    assert "people/26506.csv:9:name:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_city_folder_is_named(tmp_path: Path) -> None:
    done = donvi("units", city=tmp_path / "nowhere")
    assert done.returncode == 2
    assert "nowhere/city.yaml: cannot be read" in done.stderr
    assert "DONVI_CITY" in done.stderr


@pytest.mark.parametrize("command", [["units"], ["show"], ["ledger", "check"], ["ledger", "allocate"]])
def test_help_shows_examples(command: list[str]) -> None:
    done = donvi(*command, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert f"donvi {' '.join(command)}" in done.stdout


def test_ledger_check_finds_the_ledger_whole() -> None:
    done = donvi("ledger", "check", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"lines": 168, "units": 168, "retired": 0, "abandoned": []}


def test_ledger_check_names_an_edited_line(city_copy: Path, edit: Callable[[str, str, str], None]) -> None:
    edit("ledger.csv", "10.3.64.0/20", "10.3.80.0/20")
    done = donvi("ledger", "check", city=city_copy)
    assert done.returncode == 2
    assert "ledger.csv:38:digest: the line of unit 26506 was edited" in done.stderr


def test_a_new_unit_is_refused_until_allocate_gives_it_numbers_and_nobody_else_changes(
    city_copy: Path, edit: Callable[[str, str, str], None]
) -> None:
    before = (city_copy / "ledger.csv").read_bytes()
    edit("units.csv", "26506,", "26500,Xã Vũng Tàu,xã,Bà Rịa–Vũng Tàu,3,small,\n26506,")
    with (city_copy / "sites.csv").open("a", encoding="utf-8") as sites:
        sites.write("26500,main,0,Trụ sở\n")
    with (city_copy / "contacts.csv").open("a", encoding="utf-8") as contacts:
        contacts.write('26500,"1 Ba Cu, xã Vũng Tàu",+84 254 002 6500,weekdays\n')

    refused = donvi("units", city=city_copy)
    assert refused.returncode == 2
    assert "donvi ledger allocate" in refused.stderr
    assert donvi("ledger", "check", city=city_copy).returncode == 2

    assert donvi("ledger", "allocate", "--dry-run", city=city_copy).returncode == 0
    assert (city_copy / "ledger.csv").read_bytes() == before

    assert donvi("ledger", "allocate", city=city_copy).returncode == 0
    after = (city_copy / "ledger.csv").read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == before.count(b"\n") + 1
    assert b",26500,vung-tau-26500," in after
    assert sorted(path.name for path in city_copy.iterdir() if path.name.startswith(".")) == []

    assert donvi("ledger", "allocate", city=city_copy).returncode == 0
    assert (city_copy / "ledger.csv").read_bytes() == after
    assert len(json.loads(donvi("units", "--json", city=city_copy).stdout)) == 169


def test_a_unit_is_retired_only_when_it_is_gone_from_the_list(
    city_copy: Path, edit: Callable[[str, str, str], None]
) -> None:
    assert donvi("ledger", "allocate", "--retire", "27676", city=city_copy).returncode == 2
    edit("units.csv", "27676,Xã Thạnh An,xã,Thành phố Hồ Chí Minh,3,medium,\n", "")
    edit("sites.csv", "27676,main,0,Trụ sở\n", "")
    edit("contacts.csv", '27676,"11 Lý Thường Kiệt, xã Thạnh An",+84 28 0002 7676,weekdays\n', "")
    noticed = donvi("ledger", "check", "--json", city=city_copy)
    assert json.loads(noticed.stdout)["abandoned"] == ["27676"]
    assert donvi("ledger", "allocate", "--retire", "27676", city=city_copy).returncode == 0
    assert json.loads(donvi("ledger", "check", "--json", city=city_copy).stdout)["retired"] == 1
    assert len(json.loads(donvi("units", "--json", city=city_copy).stdout)) == 167


def test_page_writes_the_site_that_the_city_data_says(city_copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "page"
    portal = city_copy / "portal.yaml"
    portal.write_text(portal.read_text(encoding="utf-8").replace("Tổng đài 1022", "Gọi Thành phố"), encoding="utf-8")
    done = donvi("page", "vung-tau", str(folder), "--json", city=city_copy)
    assert json.loads(done.stdout)["files"] == ["404.html", "favicon.svg", "index.html", "style.css"]
    assert ">Gọi Thành phố</a>" in (folder / "index.html").read_text(encoding="utf-8")


def test_page_into_a_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    done = donvi("page", "vung-tau", str(tmp_path / "taken"))
    assert done.returncode == 2
    assert "can't be written" in done.stderr
