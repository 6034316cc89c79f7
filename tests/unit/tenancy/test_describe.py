"""What one unit has, reviewed line by line, and what must hold for every unit."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from donvi.errors import UsageError
from donvi.registry import load_city
from donvi.tenancy import Tenancy, describe
from tests.unit.tenancy.golden import lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from donvi.registry import City

GOLDEN = Path(__file__).with_name("26506-vung-tau.golden")


@pytest.fixture(scope="module")
def every(city: City) -> dict[str, Tenancy]:
    return {code: describe(city, code) for code in city.units}


def test_the_pilots_tenancy_is_what_was_reviewed(city: City) -> None:
    """``DONVI_REWRITE_GOLDEN=1 pytest tests/unit/tenancy`` rewrites the file; review the diff."""
    text = "\n".join(lines(describe(city, "26506"), city.settings.directory_base)) + "\n"
    for image in city.images.values():
        text = text.replace(image.digest, f"DIGEST OF {image.id}")
    if os.environ.get("DONVI_REWRITE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()


def test_every_unit_can_be_described(every: dict[str, Tenancy]) -> None:
    assert len(every) == 168


def test_no_name_address_or_number_is_used_by_two_units(every: dict[str, Tenancy]) -> None:
    seen: dict[object, str] = {}
    for code, tenancy in every.items():
        mine: set[object] = {tenancy.unit.stack, tenancy.unit.identification, tenancy.unit.service_vlan}
        mine |= {ou.dn for ou in tenancy.organizational_units} | {group.dn for group in tenancy.groups}
        mine |= {account.dn for account in tenancy.accounts} | {account.uid_number for account in tenancy.accounts}
        mine |= {box.address for box in tenancy.mailboxes} | {alias.address for alias in tenancy.aliases}
        mine |= {record.id for record in tenancy.dns} | {endpoint.ipv4 for endpoint in tenancy.endpoints}
        mine |= {endpoint.ipv6 for endpoint in tenancy.endpoints} | {role.name for role in tenancy.pki_roles}
        for thing in mine:
            assert seen.setdefault(thing, code) == code, f"{thing} belongs to {seen[thing]} and {code}"


def test_ids_are_unique_and_sorted_so_that_resources_have_stable_names(every: dict[str, Tenancy]) -> None:
    for tenancy in every.values():
        for ids in (
            [account.id for account in tenancy.accounts],
            [group.id for group in tenancy.groups],
            [box.address for box in tenancy.mailboxes],
            [alias.address for alias in tenancy.aliases],
            [certificate.id for certificate in tenancy.certificates],
            [record.id for record in tenancy.dns],
            [segment.id for segment in tenancy.segments],
            [flow.id for flow in tenancy.flows],
            [endpoint.id for endpoint in tenancy.endpoints],
            [check.id for check in tenancy.checks],
        ):
            assert ids == sorted(set(ids))


def test_numbers_lie_in_the_units_own_ranges(every: dict[str, Tenancy]) -> None:
    for tenancy in every.values():
        unit = tenancy.unit
        assert all(unit.uid_first < account.uid_number <= unit.uid_last for account in tenancy.accounts)
        for segment in tenancy.segments:
            assert ipaddress.ip_network(segment.ipv4).subnet_of(ipaddress.ip_network(unit.ipv4))  # type: ignore[arg-type]
            assert ipaddress.ip_network(segment.ipv6).subnet_of(ipaddress.ip_network(unit.ipv6))  # type: ignore[arg-type]
        for endpoint in tenancy.endpoints:
            (segment,) = (segment for segment in tenancy.segments if segment.kind == endpoint.segment)
            assert ipaddress.ip_address(endpoint.ipv4) in ipaddress.ip_network(segment.ipv4)
            assert ipaddress.ip_address(endpoint.ipv6) in ipaddress.ip_network(segment.ipv6)
            assert endpoint.ipv4 != segment.gateway4


def test_every_reference_inside_a_description_resolves(every: dict[str, Tenancy]) -> None:
    for tenancy in every.values():
        accounts = {account.dn for account in tenancy.accounts}
        addresses = {box.address for box in tenancy.mailboxes}
        assert {member for group in tenancy.groups for member in group.members} <= accounts
        assert {box.owner_dn for box in tenancy.mailboxes if box.kind != "functional"} <= accounts
        assert {reader for box in tenancy.mailboxes for reader in box.readers} <= addresses
        assert {alias.target for alias in tenancy.aliases} <= addresses
        assert {c.machine for c in tenancy.certificates} <= {endpoint.id for endpoint in tenancy.endpoints}
        certificates = [*tenancy.certificates, *(app.certificate for app in tenancy.apps)]
        machines = {(role.mount, role.name) for role in tenancy.pki_roles if not role.login}
        assert {(c.mount, c.role) for c in certificates} == machines
        policies = {policy.name for policy in tenancy.policies}
        granted = (*tenancy.app_roles, *tenancy.login_groups)
        assert {name for holder in granted for name in holder.policies} == policies


def test_a_unit_may_touch_only_its_own_paths_in_vault(every: dict[str, Tenancy]) -> None:
    for code, tenancy in every.items():
        for policy in tenancy.policies:
            for rule in policy.rules:
                assert f"/units/{code}/" in rule.path or f"/sign/unit-{code}-" in rule.path
                assert "sudo" not in rule.capabilities


def test_pki_roles_allow_exact_names_of_the_unit_only(every: dict[str, Tenancy]) -> None:
    for code, tenancy in every.items():
        for role in (role for role in tenancy.pki_roles if not role.login):
            assert role.allowed_uris == (f"urn:donvi:unit:{code}",)
            assert all(name.endswith("." + tenancy.unit.domain) and "*" not in name for name in role.allowed_domains)


def test_people_of_a_unit_sign_for_the_cluster_in_their_own_name_and_for_their_own_unit(
    every: dict[str, Tenancy],
) -> None:
    for code, tenancy in every.items():
        (role,) = (role for role in tenancy.pki_roles if role.login)
        assert (role.mount, role.login, role.allowed_domains, role.max_ttl_hours) == ("pki-cluster", "ldap", (), 1)
        assert role.organization == f"unit:{code}:web-portal-admin"
        assert (role.client, role.server) == (True, False)
        (group,) = tenancy.login_groups
        assert group.name == code
        (policy,) = (policy for policy in tenancy.policies if policy.name in group.policies)
        (rule,) = policy.rules
        assert rule.path == f"pki-cluster/sign/{role.name}"
        assert (rule.capabilities, rule.denied) == (("update",), ("not_after",))


def test_people_get_what_their_post_brings_and_read_why(city: City) -> None:
    tenancy = describe(city, "26506")
    (officer,) = (account for account in tenancy.accounts if account.id == "cb-265005")
    assert [(grant.system, grant.role) for grant in officer.grants] == [
        ("documents", "specialist"),
        ("mail", "user"),
        ("tthc", "receive"),
        ("tthc", "return"),
    ]
    assert {grant.reason for grant in officer.grants} == {
        "chức vụ: Công chức tiếp nhận tại Trung tâm Phục vụ hành chính công"
    }
    assert officer.mail == "an.nguyen-van2@vung-tau.tphcm.test"


def test_whoever_left_has_no_account_and_keeps_the_number(city: City) -> None:
    tenancy = describe(city, "26506")
    assert "cb-265009" in {person.employee_id for person in city.people["26506"]}
    assert "cb-265009" not in {account.id for account in tenancy.accounts}
    assert 2036009 not in {account.uid_number for account in tenancy.accounts}


def test_a_new_person_changes_nothing_but_their_own_things(
    city_copy: Path, edit: Callable[[str, str, str], None]
) -> None:
    before = describe(load_city(city_copy), "26506")
    edit(
        "people/26506.csv",
        "employee_id,name,post,login,number,active\n",
        "employee_id,name,post,login,number,active\ncb-265000,Nguyễn Ái Vân,clerk,van.nguyen-ai,10,yes\n",
    )
    after = describe(load_city(city_copy), "26506")
    assert {a.id for a in after.accounts} - {a.id for a in before.accounts} == {"cb-265000"}
    assert set(before.accounts) <= set(after.accounts)
    assert {b.address for b in after.mailboxes} - {b.address for b in before.mailboxes} == {
        "van.nguyen-ai@vung-tau.tphcm.test"
    }
    changed = {group.id for group, old in zip(after.groups, before.groups, strict=True) if group != old}
    assert changed == {"documents-clerk", "mail-user"}


def test_there_is_a_probe_for_every_role_of_a_system_with_a_service_or_an_app(every: dict[str, Tenancy]) -> None:
    tenancy = every["26740"]
    probes = {account.id for account in tenancy.accounts if account.kind == "probe"}
    apps = {app.system for app in tenancy.apps}
    roles = {f"probe-26740-{s.id}-{role}" for s in tenancy.systems if s.port or s.id in apps for role in s.roles}
    assert probes == roles
    assert "probe-26740-documents-leader" in probes


def test_acceptance_asks_at_least_what_the_first_units_must_show(every: dict[str, Tenancy]) -> None:
    assert {check.id for check in every["26506"].checks} >= {
        "directory/bind",
        "documents/login",
        "documents/wrong-role",
        "documents/no-certificate",
        "documents/foreign-unit",
        "mail/delivery",
        "mail/alias",
        "mail/unknown-recipient",
        "network/dns",
        "network/certificate",
        "lgsp/certificate",
    }


def test_an_unknown_code_is_a_usage_error(city: City) -> None:
    with pytest.raises(UsageError, match="99999"):
        describe(city, "99999")


def test_the_description_is_the_same_bytes_in_every_process(city: City) -> None:
    program = (
        "import sys, msgspec; from donvi.registry import load_city; from donvi.tenancy import describe;"
        "sys.stdout.buffer.write(msgspec.json.encode(describe(load_city(), '26506')))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "DONVI_CITY"}
    made = {
        subprocess.run(
            [sys.executable, "-c", program], env=environment | {"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }
    assert made == {msgspec.json.encode(describe(city, "26506"))}


def test_the_registry_and_the_tenancy_import_fast_and_bring_nothing_heavy() -> None:
    program = (
        "import sys, time; start = time.process_time(); import donvi.registry, donvi.tenancy;"
        "print(time.process_time() - start); print(*sys.modules)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
        for _ in range(3)
    ]
    seconds = min(float(run.split("\n")[0]) for run in runs)
    assert seconds < 0.1, f"the imports take {seconds:.3f} s of CPU"
    loaded = set(runs[0].split("\n")[1].split())
    assert not loaded & {"yaml", "ruamel", "pulumi", "rich", "typer", "hvac", "bonsai", "asyncio"}
