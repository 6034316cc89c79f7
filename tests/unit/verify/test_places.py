"""Who asks what from where: read from the pilot's tenancy, and from tenancies with another flow or certificate."""

import msgspec
import pytest

from donvi.registry import load_city
from donvi.tenancy import describe
from donvi.verify.ask import places
from donvi.verify.ask.network import city_targets, mail_questions, tcp_flows
from donvi.verify.ask.unit import city_names


@pytest.fixture(scope="module")
def city():
    return load_city()


@pytest.fixture(scope="module")
def tenancy(city):
    return describe(city, "26506")


def system(tenancy, identifier):
    return next(system for system in tenancy.systems if system.id == identifier)


def asked_from(tenancy, identifier):
    place = places.place_of(tenancy, system(tenancy, identifier))
    return place and (place.endpoint.id, place.certificate)


def test_what_people_use_is_asked_from_the_workstation_with_its_certificate(tenancy):
    assert asked_from(tenancy, "documents") == ("ws-26506", "workstation")
    assert asked_from(tenancy, "tthc") == ("ws-26506", "workstation")


def test_what_machines_use_is_asked_from_the_gateway_with_the_systems_own_certificate(tenancy):
    assert asked_from(tenancy, "lgsp") == ("gw-26506", "lgsp")


def test_without_its_own_certificate_the_machine_shows_who_it_is(tenancy):
    others = tuple(c for c in tenancy.certificates if c.id != "lgsp")
    assert asked_from(msgspec.structs.replace(tenancy, certificates=others), "lgsp") == ("gw-26506", "gateway")


def test_a_certificate_that_is_on_another_machine_is_not_shown(tenancy):
    moved = tuple(msgspec.structs.replace(c, machine="ws-26506") if c.id == "lgsp" else c for c in tenancy.certificates)
    assert asked_from(msgspec.structs.replace(tenancy, certificates=moved), "lgsp") == ("gw-26506", "gateway")


def test_a_system_that_no_flow_leads_to_is_asked_from_nowhere(tenancy):
    flows = tuple(flow for flow in tenancy.flows if flow.system != "documents")
    assert asked_from(msgspec.structs.replace(tenancy, flows=flows), "documents") is None


def test_where_both_machines_may_ask_the_workstation_does(tenancy):
    office = next(flow for flow in tenancy.flows if flow.id == "documents/office/workstation/tcp-8441")
    added = msgspec.structs.replace(office, id="lgsp/office", system="lgsp", port=8443)
    assert asked_from(msgspec.structs.replace(tenancy, flows=(*tenancy.flows, added)), "lgsp") == (
        "ws-26506",
        "workstation",
    )


def test_neighbours_do_the_same_for_other_units(tenancy):
    names = ["core", "dc", "gw-25747", "gw-26506", "ws-25747", "ws-26506", "ws-lab"]
    gateway, workstation = places.machine(tenancy, "gateway"), places.machine(tenancy, "workstation")
    assert places.neighbours(tenancy, gateway, names) == {"25747": "gw-25747"}
    assert places.neighbours(tenancy, workstation, names) == {"25747": "ws-25747"}


def closed_to(city, tenancy, role):
    return {(target.id, target.port) for target in city_targets(city, tenancy, places.machine(tenancy, role))}


def test_every_zone_has_a_target_that_the_unit_may_not_reach(city, tenancy):
    zones = {("zone-gov", 8450), ("zone-national", 8450), ("zone-party", 8450), ("zone-public", 8450)}
    for role in places.ROLES:
        assert closed_to(city, tenancy, role) >= zones | {("dc", 22)}


def test_what_only_other_machines_may_reach_is_closed(city, tenancy):
    assert ("lgsp.tphcm.test:8443", 8443) in closed_to(city, tenancy, "workstation")
    assert ("lgsp.tphcm.test:8443", 8443) not in closed_to(city, tenancy, "gateway")
    assert ("mail.tphcm.test:993", 993) in closed_to(city, tenancy, "gateway")
    assert ("mail.tphcm.test:993", 993) not in closed_to(city, tenancy, "workstation")


def test_what_a_flow_allows_is_no_forbidden_target(city, tenancy):
    office = next(flow for flow in tenancy.flows if flow.id == "documents/office/workstation/tcp-8441")
    added = msgspec.structs.replace(office, id="new", port=8450)
    wider = msgspec.structs.replace(tenancy, flows=(*tenancy.flows, added))
    assert ("zone-gov", 8450) not in closed_to(city, wider, "workstation")
    assert ("zone-gov", 8450) in closed_to(city, wider, "gateway")


def test_every_connection_that_a_machine_may_open_is_tried(tenancy):
    flows = tcp_flows(tenancy, places.machine(tenancy, "gateway"))
    assert {(flow.host, flow.port) for flow in flows} == {
        ("lgsp.tphcm.test", 8443),
        ("ns1.tphcm.test", 53),
        ("vault.tphcm.test", 8200),
    }


def test_the_workstation_is_greeted_at_every_port_of_the_mail_system(tenancy):
    assert set(mail_questions(tenancy, places.machine(tenancy, "workstation"))) == {"465", "993"}
    assert not mail_questions(tenancy, places.machine(tenancy, "gateway"))


def test_the_workstation_resolves_the_citys_names_that_its_flows_lead_to(tenancy):
    found = {record.id: record.values for record in city_names(tenancy, places.machine(tenancy, "workstation"))}
    assert found["mail.tphcm.test/A"] == ("10.0.1.10",)
    assert found["documents.tphcm.test/AAAA"] == ("fd9b:7a3c:2900:1::20",)
    assert "www.vung-tau.tphcm.test/A" not in found
