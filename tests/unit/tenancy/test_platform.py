"""What units share, and what Ansible is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from donvi.tenancy import describe, platform_description
from donvi.tenancy.inventory import datacentre_vars

if TYPE_CHECKING:
    from donvi.registry import City


def test_the_platform_names_every_server_and_system_at_the_data_centre(city: City) -> None:
    records = {record.id: record.values for record in platform_description(city).dns}
    for name in ("directory", "documents", "lgsp", "mail", "tthc", "vault"):
        assert records[f"{name}.tphcm.test/A"] == ("10.0.1.10",)
        assert records[f"{name}.tphcm.test/AAAA"] == ("fd9b:7a3c:2900:1::10",)
    assert records["tphcm.test/MX"] == ("10 mail.tphcm.test.",)


def test_every_unit_with_people_has_a_key_for_its_stack(city: City) -> None:
    keys = {key.name: key.unit for key in platform_description(city).transit_keys}
    assert keys == {describe(city, code).unit.stack: code for code in ("25747", "26506", "26740")}


def test_no_record_belongs_to_the_platform_and_to_a_unit(city: City) -> None:
    shared = {record.id for record in platform_description(city).dns}
    assert not any(shared & {record.id for record in describe(city, code).dns} for code in city.units)


def test_issuers_are_published_for_every_mount_that_signs_for_units(city: City) -> None:
    published = {urls.mount for urls in platform_description(city).pki_urls}
    assert {certificate.mount for certificate in describe(city, "26506").certificates} <= published


def test_ansible_gets_plain_data_with_prefixed_names(city: City) -> None:
    variables = datacentre_vars(city)
    assert all(name.startswith("donvi_") for name in variables)
    assert json.loads(json.dumps(variables)) == variables


def test_ansible_knows_every_unit_and_its_key_for_dns_updates(city: City) -> None:
    units = datacentre_vars(city)["donvi_units"]
    assert len(units) == 168
    assert {
        "code": "26506",
        "slug": "vung-tau",
        "domain": "vung-tau.tphcm.test",
        "tsig_key": "donvi-26506.",
    } in units


def test_a_stand_in_is_made_for_every_service_but_the_mail_servers(city: City) -> None:
    systems = {system["id"]: system for system in datacentre_vars(city)["donvi_systems"]}
    assert set(systems) == {"documents", "lgsp", "tthc"}
    assert systems["lgsp"] == {
        "id": "lgsp",
        "name": "Nền tảng tích hợp, chia sẻ dữ liệu",
        "host": "lgsp.tphcm.test",
        "port": 8443,
        "zone": "gov",
        "unit_bound": True,
        "roles": ["operator"],
    }
