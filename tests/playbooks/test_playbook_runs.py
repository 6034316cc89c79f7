"""A run changes what is wrong and nothing else, and a check says the same beforehand."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dns.query
import dns.rcode
import dns.resolver
import dns.tsigkeyring
import dns.update
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from donvi.deployment import Deployment
    from tests.playbooks.conftest import Run, Vault

POLICY = "sys/policies/acl/verify"
EDITED = "# sửa tay"
LDIF = "dn: ou=retained,{base}\nchangetype: modify\nreplace: description\ndescription: sửa tay\n"


@dataclass
class Story:
    """Edited by hand, checked, run, run again."""

    check: Run
    still_edited: bool
    repair: Run
    second: Run


@pytest.fixture(scope="module")
def record(vault: Callable[[str], Vault], deployment: Deployment) -> str:
    """Name of a record that a dynamic update made before the runs."""
    key = vault("apply").secret("backends/dns/tsig/platform")
    name = f"thu-{secrets.token_hex(4)}._domainkey.{deployment.city_domain}."
    update = dns.update.Update(
        deployment.city_domain,
        keyring=dns.tsigkeyring.from_text({key["name"]: (key["algorithm"], key["secret"])}),
    )
    update.replace(name, 60, "TXT", '"còn đây"'.encode("ascii", "replace").decode())
    answer = dns.query.tcp(update, deployment.dns.server, port=deployment.dns.port, timeout=10)
    assert answer.rcode() == dns.rcode.NOERROR
    return name


@pytest.fixture(scope="module")
def story(
    play: Callable[..., Run], on: Callable[..., str], vault: Callable[[str], Vault], base: str, record: str
) -> Story:
    assert record
    administrator = vault("administrator")
    policy = administrator.data("GET", POLICY)["policy"]
    administrator.ask("POST", POLICY, {"policy": f"{policy}\n{EDITED}\n"})
    on("dc", "echo '# sửa tay' >> /etc/postfix/domains")
    on("zone-gov", "echo >> /etc/donvi/systems/tthc.json")
    on("dc", "ldapmodify -Q -Y EXTERNAL -H ldapi:///", stdin=LDIF.format(base=base))
    check = play("--check")
    edited = on("dc", "grep -c 'sửa tay' /etc/postfix/domains || true").strip()
    still = edited == "1" and EDITED in administrator.data("GET", POLICY)["policy"]
    return Story(check, still, play(), play())


def test_a_check_names_what_was_edited_by_hand(story: Story) -> None:
    assert story.check.tasks == {
        "Hold engines, operators' policies and roles",
        "Hold the base, the policies and the service accounts",
        "Write the domains",
        "Write each system's settings",
        "Run the services",
    }


def test_a_check_changes_nothing(story: Story) -> None:
    assert story.still_edited


def test_a_run_changes_what_the_check_said(story: Story) -> None:
    assert story.repair.tasks == story.check.tasks


def test_a_second_run_changes_nothing_on_any_machine(story: Story) -> None:
    assert set(story.second.changed.values()) == {0}, story.second.tasks


def test_records_made_by_updates_outlive_the_runs(story: Story, record: str, deployment: Deployment) -> None:
    assert story.second
    query = dns.message.make_query(record, "TXT")
    answer = dns.query.tcp(query, deployment.dns.server, port=deployment.dns.port, timeout=10)
    assert answer.answer, f"{record} is gone"


def test_a_check_of_a_machine_without_servers_works_through(
    play: Callable[..., Run], lab_bare: tuple[str, ...]
) -> None:
    run = play("--check", *lab_bare)
    assert "Install the program" in run.tasks
    assert "Write Postfix's configuration" in run.tasks


@pytest.fixture
def lab_bare(tmp_path_factory: pytest.TempPathFactory, deployment: Deployment) -> tuple[str, ...]:
    """Options that take a gateway for the data centre: the same image, none of its servers configured."""
    gateway = next(name for name in sorted(deployment.machines) if name.startswith("gw-"))
    inventory = tmp_path_factory.mktemp("bare") / "inventory.yml"
    groups = ", ".join(f"{group}: {{hosts: {{{gateway}: {{}}}}}}" for group in ("datacentre", "zones"))
    inventory.write_text(f"all: {{children: {{{groups}}}}}\n")
    names = ("vault_certificate", "vault_key", "directory_certificate", "directory_key")
    absent = dict.fromkeys(names, "/etc/donvi/tls/root.crt")
    extra = [option for name, path in absent.items() for option in ("-e", f"{name}={path}")]
    systems = [{"id": "documents", "port": 8441, "roles": ["clerk"], "unit_bound": False}]
    extra += ["-e", json.dumps({"systems_list": systems, "systems_directory_password": "x"})]
    return ("-i", str(inventory), "--limit", gateway, *extra)
