"""Record sets by dynamic update on a real Knot: owned, atomic, limited to the key's names."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from donvi.backends.dns import DnsReader, DnsUpdater, Mark, RecordSet, Tsig, canonical_name, canonical_values
from donvi.errors import ConflictError, PermissionDeniedError, UnreachableError, UsageError
from donvi.provider.handlers.dns import RecordSetHandler, RecordSetInputs
from tests.support.dns_server import ZONE
from tests.support.fixtures import run_services
from tests.support.vault_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.provider.services import Services
    from tests.support.dns_server import DnsServer
    from tests.support.vault_server import VaultServer

OURS = Mark("26506", "dns/gw")
THEIRS = Mark("25747", "dns/gw")
handler = RecordSetHandler()


@pytest.fixture
def name() -> str:
    """A fresh name below the first unit's domain."""
    return f"{secrets.token_hex(4)}.vung-tau.{ZONE}"


@pytest.fixture
def updater(own_dns: DnsServer) -> DnsUpdater:
    return own_dns.updater("26506")


@pytest.fixture
def services(own_vault: VaultServer, own_dns: DnsServer) -> Iterator[Services]:
    for owner, key in own_dns.keys.items():
        secret = {"name": key.name, "algorithm": key.algorithm, "secret": key.secret}
        own_vault.root.kv_write(f"backends/dns/tsig/{owner}", secret)
    made = run_services(own_vault, "apply", dns=own_dns)
    yield made
    made.close()


def record(name: str, *values: str, kind: str = "A", ttl: int = 300) -> RecordSet:
    return RecordSet(name=name, type=kind, ttl=ttl, values=values)


def inputs(name: str, *values: str, kind: str = "A", ttl: int = 300) -> RecordSetInputs:
    return RecordSetInputs(
        unit="26506",
        key=f"dns/{name}/{kind}",
        zone=ZONE,
        name=name,
        type=kind,
        ttl=ttl,
        values=values,
        credential="backends/dns/tsig/26506",
    )


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("A", ("10.3.79.2", "10.3.79.3")),
        ("AAAA", ("fd9b:7a3c:2900:340f::2",)),
        ("CNAME", ("gw.vung-tau.tphcm.test.",)),
        ("MX", ("10 mail.tphcm.test.",)),
        ("SRV", ("0 1 993 mail.tphcm.test.",)),
        ("TXT", ('"v=spf1 mx -all"', '"Phường Vũng Tàu"')),
        ("CAA", ('0 issue "tphcm.test"',)),
    ],
)
def test_every_type_is_written_served_and_removed_without_a_trace(
    updater: DnsUpdater, name: str, kind: str, values: tuple[str, ...]
) -> None:
    updater.ensure(ZONE, record(name, *values, kind=kind), OURS)
    served, mark = updater.read(name, kind)
    assert served is not None
    assert served.values == canonical_values(kind, values)
    assert mark == OURS
    updater.remove(ZONE, name, kind, {OURS})
    updater.remove(ZONE, name, kind, {OURS})
    assert updater.read(name, kind) == (None, None)
    assert updater.read(f"_donvi-owner.{name}", "TXT")[0] is None


def test_types_of_one_name_are_owned_each_by_itself(updater: DnsUpdater, name: str) -> None:
    updater.ensure(ZONE, record(name, "10.3.79.2"), OURS)
    updater.ensure(ZONE, record(name, "fd9b::2", kind="AAAA"), THEIRS)
    assert updater.read(name, "A")[1] == OURS
    assert updater.read(name, "AAAA")[1] == THEIRS
    updater.remove(ZONE, name, "A", {OURS})
    assert updater.read(name, "A") == (None, None)
    assert updater.read(name, "AAAA")[1] == THEIRS


def test_values_and_lifetime_are_replaced_at_once(updater: DnsUpdater, name: str) -> None:
    updater.ensure(ZONE, record(name, "10.3.79.2", "10.3.79.3"), OURS)
    updater.ensure(ZONE, record(name, "10.3.79.4", ttl=60), OURS)
    assert updater.read(name, "A")[0] == record(name, "10.3.79.4", ttl=60)


def test_an_unchanged_record_set_sends_no_update(updater: DnsUpdater, name: str, own_dns: DnsServer) -> None:
    updater.ensure(ZONE, record(name, "10.3.79.2"), OURS)
    without_rights = DnsUpdater("127.0.0.1", own_dns.port, own_dns.keys["25747"])
    without_rights.ensure(ZONE, record(name, "10.3.79.2"), OURS)


@pytest.mark.parametrize("mark", [THEIRS, Mark("26506", "dns/other")])
def test_somebody_elses_record_set_is_not_taken(updater: DnsUpdater, name: str, mark: Mark) -> None:
    updater.ensure(ZONE, record(name, "10.3.79.2"), mark)
    with pytest.raises(ConflictError, match=f"pulumi import donvi:dns:RecordSet NAME {name}/A"):
        updater.ensure(ZONE, record(name, "10.3.79.9"), OURS)
    updater.remove(ZONE, name, "A", {OURS})
    assert updater.read(name, "A")[0] == record(name, "10.3.79.2")


def test_threads_that_change_one_name_lose_nothing(updater: DnsUpdater, name: str) -> None:
    kinds = {"A": "10.3.79.2", "AAAA": "fd9b::2", "TXT": '"x"', "MX": "10 mail.tphcm.test."}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda kind: updater.ensure(ZONE, record(name, kinds[kind], kind=kind), OURS), kinds))
    for kind in kinds:
        served, mark = updater.read(name, kind)
        assert served is not None
        assert mark == OURS


def test_of_two_units_that_claim_a_name_at_once_one_gets_it(updater: DnsUpdater, name: str) -> None:
    def claim(mark: Mark) -> str:
        try:
            updater.ensure(ZONE, record(name, "10.3.79.2", ttl=60 if mark == OURS else 70), mark)
        except ConflictError:
            return "refused"
        return "taken"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(claim, [OURS, THEIRS])) == ["refused", "taken"]


def test_a_key_changes_its_own_units_names_only(updater: DnsUpdater) -> None:
    with pytest.raises(PermissionDeniedError, match="a unit's key changes its own domain only"):
        updater.ensure(ZONE, record(f"gw.thu-dau-mot.{ZONE}", "10.1.15.2"), OURS)
    with pytest.raises(PermissionDeniedError):
        updater.ensure(ZONE, record(f"evil-vung-tau.{ZONE}", "10.1.15.2"), OURS)


def test_a_key_with_a_wrong_secret_changes_nothing_and_is_not_printed(own_dns: DnsServer, name: str) -> None:
    wrong = own_dns.keys["25747"].secret
    impostor = DnsUpdater("127.0.0.1", own_dns.port, Tsig(own_dns.keys["26506"].name, "hmac-sha256", wrong))
    with pytest.raises(PermissionDeniedError) as caught:
        impostor.ensure(ZONE, record(name, "10.3.79.2"), OURS)
    assert wrong not in str(caught.value)
    assert wrong not in repr(own_dns.keys["25747"])
    assert impostor.read(name, "A") == (None, None)


def test_a_zone_that_the_server_does_not_serve_is_refused(own_dns: DnsServer) -> None:
    reader = DnsReader("127.0.0.1", own_dns.port)
    with pytest.raises(PermissionDeniedError, match=r"refuses asking for www\.example\.org A"):
        reader.read("www.example.org", "A")
    assert reader.zone_of(f"gw.vung-tau.{ZONE}") == ZONE


def test_a_name_server_that_is_not_there_is_called_unreachable() -> None:
    port = free_port()
    with pytest.raises(UnreachableError, match=f"127.0.0.1:{port} doesn't answer over TCP"):
        DnsReader("127.0.0.1", port).read(f"x.{ZONE}", "A")


@pytest.mark.parametrize(
    "bad", ["", ".", "a..b", "a b.test", "-a.test", "a.*.test", "ă.test", "x" * 64 + ".test", "a.test\x00", '"a".test']
)
def test_what_is_no_name_is_refused_before_anything_is_sent(bad: str) -> None:
    with pytest.raises(UsageError, match="is not a DNS name"):
        canonical_name(bad)


def test_the_resource_lives_through_create_refresh_drift_repair_and_delete(services: Services, name: str) -> None:
    declared = inputs(name, "10.3.79.3", "10.3.79.2")
    identifier = handler.create(services, declared).id
    assert identifier == f"{name}/A"
    assert handler.create(services, declared).id == identifier
    found = handler.read(services, identifier, declared)
    assert found is not None
    assert found.inputs == declared, "another order of the same values is no drift"

    services.dns(declared.credential).remove(ZONE, name, "A", {Mark(declared.unit, declared.key)})
    assert handler.read(services, identifier, declared) is None, "a record deleted by hand is gone"
    handler.create(services, declared)

    other = replace(declared, ttl=60, values=("10.3.79.9",))
    handler.update(services, identifier, declared, other)
    assert services.dns(declared.credential).read(name, "A")[0] == record(name, "10.3.79.9", ttl=60)
    handler.delete(services, identifier, other)
    handler.delete(services, identifier, other)
    assert handler.read(services, identifier, other) is None


def test_an_import_finds_zone_owner_and_credential_by_the_name_alone(services: Services, name: str) -> None:
    declared = inputs(name, "10.3.79.2")
    handler.create(services, declared)
    imported = handler.read(services, f"{name}/A", None)
    assert imported is not None
    assert imported.inputs == declared


def test_a_preview_reads_records_without_any_key(
    services: Services, own_vault: VaultServer, own_dns: DnsServer, name: str
) -> None:
    declared = inputs(name, "10.3.79.2")
    handler.create(services, declared)
    preview = run_services(own_vault, "preview", dns=own_dns)
    found = handler.read(preview, f"{name}/A", declared)
    assert found is not None
    assert found.inputs == declared
    with pytest.raises(PermissionDeniedError):
        handler.update(preview, f"{name}/A", declared, declared)
    preview.close()


def test_a_record_set_that_lost_its_mark_shows_it_and_gets_it_back(services: Services, name: str) -> None:
    declared = inputs(name, "10.3.79.2")
    handler.create(services, declared)
    updater = services.dns(declared.credential)
    mark_name = f"_donvi-owner.{name}"
    updater.ensure(ZONE, record(mark_name, '"nobody"', kind="TXT"), OURS, replacing=(None,))
    found = handler.read(services, f"{name}/A", declared)
    assert found is not None
    assert found.inputs.unit == ""
    with pytest.raises(ConflictError, match="carries no owner mark"):
        handler.create(services, declared)
    handler.update(services, f"{name}/A", declared, declared)
    assert updater.read(name, "A")[1] == Mark(declared.unit, declared.key)


@pytest.mark.parametrize(
    ("changes", "properties"),
    [
        ({"name": "gw.elsewhere.test"}, ["name"]),
        ({"name": f"GW.vung-tau.{ZONE}."}, ["name"]),
        ({"name": f"a b.{ZONE}"}, ["name"]),
        ({"type": "SOA"}, ["values"]),
        ({"values": ("10.3.79.256",)}, ["values"]),
        ({"values": ()}, ["values"]),
        ({"ttl": 0}, ["ttl"]),
        ({}, []),
    ],
)
def test_a_check_names_the_property_that_is_wrong(changes: dict[str, object], properties: list[str]) -> None:
    wrong = replace(inputs(f"gw.vung-tau.{ZONE}", "10.3.79.2"), **changes)
    assert [failure.property for failure in handler.check(wrong)] == properties
