"""What units share, and what Ansible is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from donvi.registry import load_city
from donvi.tenancy import describe, platform_description
from donvi.tenancy.inventory import datacentre_vars
from donvi.tenancy.servers import servers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from donvi.registry import City


def test_the_platform_names_every_server_and_system_where_it_answers(city: City) -> None:
    records = {record.id: record.values for record in platform_description(city).dns}
    for host, names in ((10, ("directory", "mail", "vault")), (20, ("documents", "lgsp", "tthc"))):
        for name in names:
            assert records[f"{name}.tphcm.test/A"] == (f"10.0.1.{host}",)
            assert records[f"{name}.tphcm.test/AAAA"] == (f"fd9b:7a3c:2900:1::{host}",)
    assert records["tphcm.test/MX"] == ("10 mail.tphcm.test.",)


def test_every_unit_has_a_key_for_its_stack(city: City) -> None:
    keys = {key.name: key.unit for key in platform_description(city).transit_keys}
    assert keys == {describe(city, code).unit.stack: code for code in city.units}


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
        "machine": "zone-gov",
        "unit_bound": True,
        "roles": ["operator"],
    }


def test_something_answers_in_every_zone_that_has_a_machine_for_systems(city: City) -> None:
    found = {service["zone"]: service for service in datacentre_vars(city)["donvi_zone_services"]}
    assert set(found) == {"gov", "national", "party", "public"}
    assert {(service["port"], service["unit_bound"]) for service in found.values()} == {(8450, True)}
    assert not any(service["roles"] for service in found.values())


def test_a_system_answers_on_its_zones_machine_unless_a_server_has_its_name(
    city_copy: Path, edit: Callable[[str, str, str], None]
) -> None:
    """Mail is a system too; dc lists the name."""
    found = servers(load_city(city_copy))
    assert {name for name, server in found.items() if server.machine == "zone-gov"} == {"documents", "lgsp", "tthc"}
    assert found["mail"] == ("gov", "dc", "10.0.1.10", "fd9b:7a3c:2900:1::10")
    edit("city.yaml", "    services: {name: zone-gov, host: 20}\n", "")
    found = servers(load_city(city_copy))
    assert {server.machine for name, server in found.items() if name != "cluster"} == {"dc"}


def test_the_clusters_name_answers_on_the_machine_that_its_zone_names(city_copy: Path) -> None:
    found = servers(load_city(city_copy))
    assert found["cluster"] == ("public", "kube", "10.0.4.30", "fd9b:7a3c:2900:4::30")


def test_the_node_takes_the_pods_of_every_unit_while_all_of_them_change(city: City) -> None:
    """The lab's cluster has one node: what doesn't fit there runs nowhere."""
    declared = sum(app.replicas for code in city.units for app in describe(city, code).apps)
    changing = declared + sum(len(describe(city, code).apps) for code in city.units)
    assert declared == 336
    assert changing < datacentre_vars(city)["donvi_cluster_most_pods"] < 1000
