"""The catalogue as data: schemas that editors use, and a new system for the price of one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from donvi.registry import load_city
from donvi.registry.schema import FILES, schema
from donvi.tenancy import describe
from donvi.tenancy.inventory import datacentre_vars

if TYPE_CHECKING:
    from pathlib import Path

NEW_SYSTEM = """\
# yaml-language-server: $schema=../schema/system.json
id: reporting
name: Hệ thống báo cáo
kind: shared
zone: gov
service: {port: 8450}
roles:
  - {id: reporter, title: Người báo cáo, posts: [clerk], probe: 90}
flows:
  - {segment: office, endpoint: workstation, protocol: tcp, port: 8450}
mailboxes:
  - {local: baocao, title: Báo cáo, readers: [clerk]}
"""


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_schema_that_editors_use_is_the_one_the_parser_uses(city_copy: Path, name: str) -> None:
    written = (city_copy / "schema" / name).read_text(encoding="utf-8")
    assert written == schema(FILES[name]), "run `python -m donvi.registry.schema city/schema`"


def test_every_yaml_file_names_its_schema_and_fits_it(city_copy: Path) -> None:
    files = sorted(city_copy.rglob("*.yaml"))
    assert len(files) >= 10
    for path in files:
        first, *_ = path.read_text(encoding="utf-8").split("\n")
        assert first.startswith("# yaml-language-server: $schema=")
        definition = yaml.safe_load((path.parent / first.partition("=")[2]).read_text(encoding="utf-8"))
        jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), definition)


def test_a_new_system_is_one_file_and_no_code(city_copy: Path) -> None:
    before = describe(load_city(city_copy), "26506")
    (city_copy / "systems" / "reporting.yaml").write_text(NEW_SYSTEM, encoding="utf-8")
    city = load_city(city_copy)
    after = describe(city, "26506")

    assert "reporting" in {system.id for system in after.systems}
    assert {flow.id for flow in after.flows} - {flow.id for flow in before.flows} == {
        "reporting/office/workstation/tcp-8450"
    }
    (group,) = (group for group in after.groups if group.id == "reporting-reporter")
    assert [member.split(",")[0] for member in group.members] == [
        "uid=cb-265004",
        "uid=probe-26506-reporting-reporter",
    ]
    assert {check.id for check in after.checks} - {check.id for check in before.checks} == {
        "reporting/foreign-unit",
        "reporting/login",
        "reporting/no-certificate",
        "reporting/wrong-role",
    }
    assert "baocao@vung-tau.tphcm.test" in {box.address for box in after.mailboxes}
    assert "reporting" in {system["id"] for system in datacentre_vars(city)["donvi_systems"]}


def test_a_new_system_changes_nobodys_numbers(city_copy: Path) -> None:
    before = {account.id: account.uid_number for account in describe(load_city(city_copy), "26506").accounts}
    (city_copy / "systems" / "reporting.yaml").write_text(NEW_SYSTEM, encoding="utf-8")
    after = {account.id: account.uid_number for account in describe(load_city(city_copy), "26506").accounts}
    assert {name: after[name] for name in before} == before
