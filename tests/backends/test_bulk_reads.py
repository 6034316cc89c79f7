"""Bulk reads answer what a question for each object would answer, of the same servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from donvi.backends.directory import Entry
from donvi.backends.directory.snapshot import Snapshot, bases
from donvi.backends.dns import DnsReader, Mark, RecordSet, Tsig
from donvi.backends.dns.zone import ZoneReader
from donvi.backends.machines import SshRunner
from donvi.backends.machines.batch import BatchedSsh, Question
from donvi.backends.vault import MissingError, Owner
from donvi.backends.vault.remembering import RememberingVault
from donvi.errors import PermissionDeniedError
from tests.support.dns_server import UNITS, ZONE
from tests.support.fixtures import deployment

if TYPE_CHECKING:
    from tests.support.dns_server import DnsServer
    from tests.support.ssh_server import SshServer
    from tests.support.vault_server import VaultServer

UNIT = "26506"
DOMAIN = UNITS[UNIT]
SETS = [
    RecordSet(name=f"gw.{DOMAIN}", type="A", ttl=300, values=("10.0.0.1",)),
    RecordSet(name=f"gw.{DOMAIN}", type="AAAA", ttl=600, values=("fd00::1", "fd00::2")),
    RecordSet(name=f"www.{DOMAIN}", type="CNAME", ttl=60, values=(f"gw.{DOMAIN}.",)),
    RecordSet(name=f"_dmarc.{DOMAIN}", type="TXT", ttl=300, values=('"v=DMARC1; p=reject"',)),
    RecordSet(name=f"*.wild.{DOMAIN}", type="A", ttl=300, values=("10.0.0.9",)),
]
ASKED = [
    *((one.name, one.type) for one in SETS),
    (f"gw.{DOMAIN}", "TXT"),
    (f"www.{DOMAIN}", "A"),
    (f"missing.{DOMAIN}", "A"),
    (f"any.wild.{DOMAIN}", "A"),
    (ZONE, "NS"),
]


@pytest.fixture
def zone(own_dns: DnsServer) -> DnsServer:
    for one in SETS:
        own_dns.updater(UNIT).ensure(ZONE, one, Mark(UNIT, f"dns/{one.name}"))
    return own_dns


def test_a_transferred_zone_answers_as_the_server_does(zone: DnsServer) -> None:
    bulk, single = ZoneReader("127.0.0.1", zone.port, zone.keys["transfer"]), DnsReader("127.0.0.1", zone.port)
    bulk.transfer(ZONE)
    assert bulk.records > len(SETS)
    for name, kind in ASKED:
        assert bulk.read(name, kind) == single.read(name, kind), f"{name} {kind}"


def test_a_zone_is_transferred_to_nobody_else(zone: DnsServer) -> None:
    for key in (None, zone.keys[UNIT], Tsig("stranger", "hmac-sha256", zone.keys[UNIT].secret)):
        with pytest.raises(PermissionDeniedError, match="doesn't transfer the zone"):
            ZoneReader("127.0.0.1", zone.port, key).transfer(ZONE)


def test_the_key_for_transfers_changes_nothing(zone: DnsServer) -> None:
    owners = (Mark(UNIT, f"dns/{SETS[0].name}"),)
    with pytest.raises(PermissionDeniedError):
        zone.updater("transfer").ensure(ZONE, SETS[0], Mark("transfer", "x"), replacing=owners)


def test_vault_is_asked_once_for_each_path_and_remembers_what_is_missing(own_vault: VaultServer) -> None:
    own_vault.root.kv_write("owners/app-role/thu", {"unit": UNIT, "key": "app-role/thu"})
    vault = RememberingVault(own_vault.address, own_vault.token("preview"), own_vault.ca_file)
    assert vault.owner_read("app-role", "thu") == Owner(UNIT, "app-role/thu")
    own_vault.root.kv_write("owners/app-role/thu", {"unit": "other", "key": "x"})
    assert vault.owner_read("app-role", "thu") == Owner(UNIT, "app-role/thu")
    assert vault.owner_read("app-role", "missing") is None
    for _ in range(2):
        with pytest.raises(MissingError):
            vault.get("kv/data/owners/app-role/missing")
        with pytest.raises(PermissionDeniedError):
            vault.kv_read("backends/mail/doveadm")
    assert len(vault.asked) == 3


def test_many_scripts_run_by_one_connection_and_print_what_they_would_alone(
    own_machine: SshServer, own_vault: VaultServer
) -> None:
    places = deployment(port=own_machine.port, vault=own_vault.address)
    vault = own_vault.client("apply")
    scripts = [
        Question("set -eu\necho one; echo two", ()),
        Question('printf "%s|%s" "$1" "$2"', ("a b", "it's\n$(id)")),
        Question("cat; echo end", ()),
        Question("exit 3", ()),
        Question("set -u; echo $nothing", ()),
        Question('echo "$1"', ("last",)),
    ]
    single = SshRunner(places, vault, str(own_machine.known_hosts))
    batched = BatchedSsh(places, vault, str(own_machine.known_hosts))
    batched.load("gw-26506", scripts)
    for question in scripts:
        alone = single.run("gw-26506", question.script, *question.arguments, check=False)
        together = batched.run("gw-26506", question.script, *question.arguments, check=False)
        assert (together.stdout, together.exit_code) == (alone.stdout, alone.exit_code), question
    assert len(batched._answers) == 4, "what failed is asked again, so that it fails with its own words"
    single.close()
    batched.close()


def test_entries_are_found_by_name_in_any_spelling() -> None:
    entry = Entry("uid=nv001,ou=people,ou=26506,ou=units,dc=tphcm,dc=test", {})
    found = Snapshot([entry])
    assert found.get("UID=nv001, ou=people,ou=26506,ou=units,dc=tphcm,dc=test") is entry
    assert found.get("uid=nv002,ou=people,ou=26506,ou=units,dc=tphcm,dc=test") is None


def test_few_units_are_searched_one_by_one_and_many_together() -> None:
    names = [f"uid=x,ou=people,ou={code},ou=units,dc=tphcm,dc=test" for code in ("26506", "26740", "26506")]
    assert bases(names, 4, 2) == [f"ou={code},ou=units,dc=tphcm,dc=test" for code in ("26506", "26740")]
    assert bases(names, 4, 1) == ["ou=units,dc=tphcm,dc=test"]
    assert bases(["ou=units,dc=tphcm,dc=test"], 4, 9) == ["ou=units,dc=tphcm,dc=test"]
