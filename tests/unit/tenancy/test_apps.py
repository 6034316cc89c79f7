"""What units have in the cluster: the same shape for all 168, whatever they are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest

from donvi.registry import load_city
from donvi.tenancy import Tenancy, describe
from donvi.tenancy.apps import APPS, namespaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from donvi.registry import City
    from donvi.tenancy.app_model import NetworkRule
    from donvi.tenancy.model import Flow

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
LONGEST_COMMON_NAME = 64  # RFC 5280, upper bound of X.520

FORUM = """\
# yaml-language-server: $schema=../schema/system.json
id: forum
name: Diễn đàn góp ý
kind: app
zone: public
flows:
  - {segment: counter, endpoint: kiosk, protocol: tcp, port: 443}
apps:
  - id: forum
    host: gopy
    image: site
    certificate: {ttl_hours: 720}
    replicas: 1
    pods: 2
    cpu: [10, 200]
    memory: [32, 128]
"""


@pytest.fixture(scope="module")
def every(city: City) -> dict[str, Tenancy]:
    return {code: describe(city, code) for code in city.units}


def rule(tenancy: Tenancy, name: str) -> NetworkRule | None:
    (space,) = tenancy.namespaces
    return next((found for found in space.rules if found.id == name), None)


def names_in_cluster(tenancy: Tenancy) -> Iterator[str]:
    for space in tenancy.namespaces:
        yield from (space.id, space.zone, *(found.id for found in space.rules))
    for app in tenancy.apps:
        yield from (app.id, app.namespace, app.secret, f"{app.id}-page-0123456789")


def test_every_name_fits_the_clusters_rules(every: dict[str, Tenancy]) -> None:
    for tenancy in every.values():
        for name in names_in_cluster(tenancy):
            assert DNS_LABEL.fullmatch(name), name
        for app in tenancy.apps:
            assert LABEL_VALUE.fullmatch(app.system)
            assert len(app.certificate.common_name) <= LONGEST_COMMON_NAME


def test_no_two_units_share_a_namespace_host_or_group(every: dict[str, Tenancy]) -> None:
    seen: dict[str, str] = {}
    for code, tenancy in every.items():
        mine = {space.id for space in tenancy.namespaces} | {app.host for app in tenancy.apps}
        mine |= {binding.group for space in tenancy.namespaces for binding in space.bindings}
        for thing in mine:
            assert seen.setdefault(thing, code) == code, thing


def test_hosts_lie_below_the_domain_that_the_namespace_may_route(every: dict[str, Tenancy]) -> None:
    for tenancy in every.values():
        (space,) = tenancy.namespaces
        for app in tenancy.apps:
            assert app.route.host.endswith(f".{space.domain}")
            assert app.certificate.dns_names == (app.host,)


@pytest.mark.parametrize(
    "name",
    ["Phường Ư'Ơ-Ê (cũ: xã 12. Đông)", "Phường " + "Đ" * 110, "Phường KUBE-SYSTEM default", "Phường 00000 party"],
)
def test_whatever_a_unit_may_be_called_reaches_no_name_in_the_cluster(
    city_copy: Path, edit: Callable[[str, str, str], None], name: str
) -> None:
    before = describe(load_city(city_copy), "26506")
    edit("units.csv", "26506,Phường Vũng Tàu,", f"26506,{name},")
    after = describe(load_city(city_copy), "26506")
    assert after.unit.name == name
    assert after.namespaces == before.namespaces
    pages = [app.page for app in after.apps]
    assert [msgspec.structs.replace(app, page=None) for app in after.apps] == [
        msgspec.structs.replace(app, page=None) for app in before.apps
    ]
    assert [page.name for page in pages if page] == [name]


def test_nothing_gets_in_or_out_that_no_rule_names(every: dict[str, Tenancy]) -> None:
    for tenancy in every.values():
        closed = rule(tenancy, "default-deny")
        assert closed is not None
        assert (closed.app, closed.directions, closed.peers, closed.ports) == ("", ("egress", "ingress"), (), ())
        opened = {found.id: found.directions for found in tenancy.namespaces[0].rules if found.peers}
        assert opened == {"dns": ("egress",), "web-portal-gateway": ("ingress",)}


def test_only_the_gateways_pods_reach_an_app_and_only_where_it_ends_tls(every: dict[str, Tenancy]) -> None:
    found = rule(every["26506"], "web-portal-gateway")
    assert found is not None
    (peer,), (port,) = found.peers, found.ports
    assert (peer.namespace, peer.pods, peer.cidr) == ("city-gateway", (("app.kubernetes.io/name", "envoy"),), "")
    assert (port.protocol, port.port) == ("tcp", every["26506"].apps[0].container.port)
    assert found.flows == ("web-portal/office/workstation/tcp-443",)


def test_an_app_that_no_flow_reaches_is_reached_by_nobody(
    city_copy: Path, edit: Callable[[str, str, str], None]
) -> None:
    edit(
        "systems/web-portal.yaml",
        "flows:\n  - {segment: office, endpoint: workstation, protocol: tcp, port: 443}\n",
        "",
    )
    assert rule(describe(load_city(city_copy), "26506"), "web-portal-gateway") is None


def test_a_flow_from_an_app_opens_just_its_way_out(city: City, every: dict[str, Tenancy]) -> None:
    tenancy = every["26506"]
    ask = next(flow for flow in tenancy.flows if flow.system == "lgsp")
    outward: Flow = msgspec.structs.replace(ask, id="lgsp/apps/web-portal", segment=APPS, endpoint="web-portal")
    (space,) = namespaces(city, tenancy.unit, tenancy.apps, (*tenancy.flows, outward))
    (found,) = (item for item in space.rules if "lgsp" in item.id)
    assert (found.app, found.directions, found.flows) == ("web-portal", ("egress",), ("lgsp/apps/web-portal",))
    assert [peer.cidr for peer in found.peers] == [f"{ask.ipv4}/32", f"{ask.ipv6}/128"]
    assert [port.port for port in found.ports] == [ask.port]


def test_the_quota_has_room_for_a_rolling_update_and_for_no_second_app(every: dict[str, Tenancy]) -> None:
    (space,), (app,) = every["26506"].namespaces, every["26506"].apps
    share = app.container.share
    assert space.quota.pods > app.replicas
    assert space.quota.share.memory_limit == space.quota.pods * share.memory_limit
    assert space.quota.share.cpu_request == space.quota.pods * share.cpu_request
    assert space.container == share


def test_rights_in_the_namespace_go_to_the_units_own_group(every: dict[str, Tenancy]) -> None:
    for code, tenancy in every.items():
        groups = {group.id for group in tenancy.groups}
        for binding in tenancy.namespaces[0].bindings:
            assert binding.group == f"unit:{code}:{binding.id}"
            assert binding.id in groups, "the directory has a group of that name"
            assert binding.cluster_role == "donvi-unit-reader"


def test_the_units_machines_may_not_sign_for_its_web_site(every: dict[str, Tenancy]) -> None:
    for tenancy in every.values():
        paths = {rule.path for policy in tenancy.policies for rule in policy.rules}
        assert not [path for path in paths if path.startswith("pki-web/")]
        assert {(role.client, role.server) for role in tenancy.pki_roles if role.mount == "pki-web"} == {(False, True)}


def test_the_site_is_found_at_the_gateway_in_both_address_families(city: City, every: dict[str, Tenancy]) -> None:
    (zone,) = (zone for zone in city.settings.zones if zone.cluster)
    assert zone.cluster is not None
    records = {r.type: r.values for r in every["26506"].dns if r.name == "www.vung-tau.tphcm.test"}
    assert records == {"A": ("10.0.4.30",), "AAAA": ("fd9b:7a3c:2900:4::30",)}
    (flow,) = (flow for flow in every["26506"].flows if flow.system == "web-portal")
    assert (flow.ipv4,) == records["A"]


def test_every_image_is_pinned(every: dict[str, Tenancy]) -> None:
    for tenancy in every.values():
        assert all(re.search(r"@sha256:[0-9a-f]{64}\Z", app.container.image) for app in tenancy.apps)


def test_another_app_is_one_file_and_no_code(city_copy: Path) -> None:
    before = describe(load_city(city_copy), "26506")
    (city_copy / "systems" / "forum.yaml").write_text(FORUM, encoding="utf-8")
    after = describe(load_city(city_copy), "26506")

    (app,) = (app for app in after.apps if app not in before.apps)
    assert (app.id, app.host, app.page) == ("forum", "gopy.vung-tau.tphcm.test", None)
    assert app.namespace == before.namespaces[0].id, "one namespace for all apps of a zone"
    (space,), (old,) = after.namespaces, before.namespaces
    assert space.quota.pods == old.quota.pods + 2
    assert space.container.memory_limit == 128, "the largest container of any app"
    assert {found.id for found in space.rules} - {found.id for found in old.rules} == {"forum-gateway"}
    assert {record.id for record in after.dns} - {record.id for record in before.dns} == {
        "gopy.vung-tau.tphcm.test/A",
        "gopy.vung-tau.tphcm.test/AAAA",
    }
    assert {role.name for role in after.pki_roles} - {role.name for role in before.pki_roles} == {"unit-26506-forum"}
