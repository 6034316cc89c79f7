"""The acceptance suite sees every kind of damage, blames the right system, and takes nothing dead for a pass."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update
import pytest

from donvi.deployment import parse, text_from_environment
from donvi.provider.services import Services
from donvi.registry import load_city
from donvi.tenancy import describe
from donvi.verify import Outcome, verify


@pytest.fixture(scope="module")
def environ(lab):
    return lab.environ()


@pytest.fixture(scope="module")
def services(environ):
    made = Services(parse(text_from_environment(environ)), environ)
    yield made
    made.close()


@pytest.fixture(scope="module")
def tenancy(code):
    return describe(load_city(), code)


def group(tenancy, identifier):
    return next(group.dn for group in tenancy.groups if group.id == identifier)


def probe(tenancy, role):
    return next(a.dn for a in tenancy.accounts if a.id == f"probe-{tenancy.unit.code}-{role}")


@contextmanager
def member_taken_away(services, dn, member):
    assert services.directory_write.modify(dn, remove={"member": [member]})
    try:
        yield
    finally:
        services.directory_write.modify(dn, add={"member": [member]})


@contextmanager
def member_slipped_in(services, dn, member):
    assert services.directory_write.modify(dn, add={"member": [member]})
    try:
        yield
    finally:
        services.directory_write.modify(dn, remove={"member": [member]})


@contextmanager
def changed(services, dn, attribute, value):
    before = services.directory_write.get(dn, (attribute,)).all(attribute)
    assert services.directory_write.modify(dn, replace={attribute: [value]})
    try:
        yield
    finally:
        services.directory_write.modify(dn, replace={attribute: before})


@contextmanager
def readable_key(lab, machine, path):
    lab.on(machine, "chmod", "0644", path)
    try:
        yield
    finally:
        lab.on(machine, "chmod", "0600", path)


@contextmanager
def policy_too_wide(services, name):
    before = services.vault.policy_read(name)
    services.vault.policy_write(name, before + '\npath "kv/data/units/+/*" { capabilities = ["read"] }\n')
    try:
        yield
    finally:
        services.vault.policy_write(name, before)


@contextmanager
def record_gone(services, tenancy, record):
    """Delete a record with the unit's own key, past everything that marks owners."""
    secret = services.vault.kv_read(f"backends/dns/tsig/{tenancy.unit.code}")
    place = services.deployment.dns
    keys = dns.tsigkeyring.from_text({secret["name"]: (secret["algorithm"], secret["secret"])})

    def send(change):
        message = dns.update.Update(services.deployment.city_domain, keyring=keys)
        change(message)
        answer = dns.query.tcp(message, place.server, 5, place.port)
        assert answer.rcode() == dns.rcode.NOERROR, answer

    send(lambda message: message.delete(f"{record.name}.", record.type))
    try:
        yield
    finally:
        send(lambda message: message.replace(f"{record.name}.", record.ttl, record.type, *record.values))


def test_every_damage_is_seen_and_nothing_else_is_blamed(lab, code, environ, services, tenancy):
    record = next(record for record in tenancy.dns if record.type == "TXT")
    alias = next(alias for alias in tenancy.aliases if not alias.address.startswith("alias-probe"))
    other = next(a for a in tenancy.aliases if a.target != alias.target and not a.address.startswith("alias-probe"))
    certificate = next(c for c in tenancy.certificates if c.id == "lgsp")
    with ExitStack() as damage:
        damage.enter_context(
            member_taken_away(services, group(tenancy, "documents-clerk"), probe(tenancy, "documents-clerk"))
        )
        damage.enter_context(
            member_slipped_in(services, group(tenancy, "tthc-approve"), probe(tenancy, "tthc-receive"))
        )
        damage.enter_context(changed(services, alias.dn, "donviMailTarget", other.target))
        damage.enter_context(readable_key(lab, certificate.machine, f"/etc/donvi/units/{code}/lgsp.key"))
        damage.enter_context(policy_too_wide(services, f"unit-{code}"))
        damage.enter_context(record_gone(services, tenancy, record))
        verdict = verify(code, environ=environ)
    seen = {f"{check.system}: {check.title}" for check in verdict.findings}
    assert seen == {
        "documents: the right role logs in: documents clerk",
        "tthc: accounts without the role are refused: tthc approve",
        f"mail: an alias leads to its mailbox: {alias.address}",
        "lgsp: the key is readable by root only: lgsp",
        "vault: the path of another unit is refused",
        f"network: the authoritative server knows the record: {record.id}",
        f"network: the gateway of the unit resolves the record: {record.id}",
        f"network: the workstation resolves the record by its gateway: ws-{code} {record.id}",
        f"network: private keys are readable by root only: gw-{code}",
    }
    assert all(check.outcome is Outcome.FAILED for check in verdict.findings)
    verify(code, environ=environ).require_open()


def test_with_the_directory_down_nothing_that_needs_it_is_open(lab, code, environ):
    with lab.stopped("slapd", ports=(636,)):
        verdict = verify(code, environ=environ)
    outcomes = {system.system: system.outcome for system in verdict.systems}
    down = {"directory", "mail", "documents", "tthc", "lgsp", "web-portal"}
    assert {system for system, outcome in outcomes.items() if outcome is Outcome.INCONCLUSIVE} == down
    assert outcomes["network"] is outcomes["vault"] is Outcome.PASSED


def test_with_mail_down_only_mail_is_in_doubt(lab, code, environ):
    with lab.stopped("dovecot", ports=(993,)):
        verdict = verify(code, environ=environ)
    assert {c.system for c in verdict.findings} == {"mail"}
    assert {c.outcome for c in verdict.findings} == {Outcome.INCONCLUSIVE}
