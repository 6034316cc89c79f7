"""Policies as data: rendered, read back, and what a policy changed by hand looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from donvi.backends.vault import Owner, PathRule, parse, render
from donvi.errors import ConflictError, DataError
from donvi.provider.handlers.vault import PolicyHandler, PolicyInputs
from tests.support.fixtures import run_services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.provider.services import Services
    from tests.support.vault_server import VaultServer

RULES = (
    PathRule(path="kv/data/units/26506/*", capabilities=("read", "create")),
    PathRule(path='kv/data/"quoted"', capabilities=("read",)),
)
NAME = "unit-26506"
OWN = PolicyInputs(unit="26506", key="policy/unit-26506", name=NAME, rules=RULES)
handler = PolicyHandler()


@pytest.fixture
def services(own_vault: VaultServer) -> Iterator[Services]:
    made = run_services(own_vault, "apply")
    yield made
    made.vault.policy_delete(NAME)
    made.close()


def test_equal_rules_give_equal_bytes_in_whatever_order_they_come() -> None:
    owner = Owner("26506", "policy/x")
    shuffled = (RULES[1], PathRule(path=RULES[0].path, capabilities=("create", "read")))
    assert render(owner, RULES) == render(owner, shuffled)


def test_what_was_rendered_is_read_back_with_its_owner() -> None:
    policy = parse(render(Owner("26506", "policy/x y"), RULES))
    assert policy.owner == Owner("26506", "policy/x y")
    assert {rule.path: set(rule.capabilities) for rule in policy.rules} == {
        "kv/data/units/26506/*": {"read", "create"},
        'kv/data/"quoted"': {"read"},
    }


def test_a_parameter_that_no_request_may_have_is_rendered_and_read_back() -> None:
    rules = (PathRule(path="pki/sign/x", capabilities=("update",), denied=("not_after", "format")),)
    text = render(Owner("26506", "policy/x"), rules)
    assert '"not_after" = []' in text
    assert parse(text).rules[0].denied == ("format", "not_after")
    assert parse('{"path": {"a": {"capabilities": ["read"], "denied_parameters": {"b": []}}}}').rules[0].denied == (
        "b",
    )
    with pytest.raises(DataError):
        parse('path "a" { capabilities = ["read"] denied_parameters = { "b" = ["one value only"] } }')


@pytest.mark.parametrize(
    "text",
    [
        'path "kv/a" { capabilities = ["read", "list"] }',
        '# comment { }\npath "kv/a"{capabilities=["list","read",]} // done\n/* path "b" {} */',
        '{"path": {"kv/a": {"capabilities": ["read", "list"]}}}',
    ],
)
def test_policies_written_by_hand_are_read(text: str) -> None:
    policy = parse(text)
    assert policy.owner is None
    assert policy.rules == (PathRule(path="kv/a", capabilities=("list", "read")),)


@pytest.mark.parametrize(
    "text",
    [
        'path "kv/a" { capabilities = ["read"] min_wrapping_ttl = "1s" }',
        'path "kv/a" { policy = "read" }',
        'path "kv/a" { capabilities = ["fly"] }',
        'path "kv/a" { capabilities = ["read"',
        '{"path": {"kv/a": {"capabilities": ["read"], "allowed_parameters": {}}}}',
        "path kv/a {}",
        'path "kv/a',
    ],
)
def test_what_rules_cannot_express_is_refused_rather_than_half_read(text: str) -> None:
    with pytest.raises(DataError, match="more than paths and capabilities"):
        parse(text, name="thu")


def test_a_policy_is_created_found_again_changed_and_deleted(services: Services) -> None:
    assert handler.create(services, OWN).id == NAME
    assert handler.create(services, OWN).id == NAME, "a repeated create adopts its own policy"
    found = handler.read(services, NAME, OWN)
    assert found is not None
    assert found.inputs == OWN
    fewer = PolicyInputs(unit=OWN.unit, key=OWN.key, name=NAME, rules=RULES[:1])
    handler.update(services, NAME, OWN, fewer)
    assert '"quoted"' not in (services.vault.policy_read(NAME) or "")
    handler.delete(services, NAME, fewer)
    handler.delete(services, NAME, fewer)
    assert handler.read(services, NAME, fewer) is None


def test_an_import_needs_the_name_alone_and_shows_no_change(services: Services) -> None:
    handler.create(services, OWN)
    imported = handler.read(services, NAME, None)
    assert imported is not None
    plain = [{"path": rule.path, "capabilities": list(rule.capabilities)} for rule in imported.inputs.rules]
    assert (imported.inputs.unit, imported.inputs.key) == (OWN.unit, OWN.key)
    assert handler.same("rules", plain, [{"path": r.path, "capabilities": list(r.capabilities)} for r in RULES])


def test_a_rule_added_by_hand_is_seen_and_overwritten(services: Services) -> None:
    handler.create(services, OWN)
    widened = (services.vault.policy_read(NAME) or "") + 'path "*" { capabilities = ["sudo"] }\n'
    services.vault.policy_write(NAME, widened)
    found = handler.read(services, NAME, OWN)
    assert found is not None
    assert PathRule(path="*", capabilities=("sudo",)) in found.inputs.rules
    handler.update(services, NAME, found.inputs, OWN)
    assert '"*"' not in (services.vault.policy_read(NAME) or "")


def test_a_policy_that_lost_its_mark_shows_it_and_gets_it_back(services: Services) -> None:
    handler.create(services, OWN)
    services.vault.policy_write(NAME, 'path "kv/a" { min_wrapping_ttl = "1s" }')
    found = handler.read(services, NAME, OWN)
    assert found is not None
    assert (found.inputs.unit, found.inputs.rules) == ("", ())
    handler.update(services, NAME, found.inputs, OWN)
    assert handler.read(services, NAME, OWN) is not None
    assert "donvi-owner: 26506" in (services.vault.policy_read(NAME) or "")


@pytest.mark.parametrize("text", ['path "a" { capabilities = ["read"] }', render(Owner("25747", "policy/x"), RULES)])
def test_somebody_elses_policy_is_neither_overwritten_nor_deleted(services: Services, text: str) -> None:
    services.vault.policy_write(NAME, text)
    with pytest.raises(ConflictError, match="pulumi import donvi:vault:Policy NAME unit-26506"):
        handler.create(services, OWN)
    if "25747" in text:
        handler.delete(services, NAME, OWN)
        assert services.vault.policy_read(NAME) == text.strip() or services.vault.policy_read(NAME) == text


@pytest.mark.parametrize(
    ("name", "rules", "properties"),
    [
        ("Unit-26506", RULES, ["name"]),
        ("root", RULES, ["name"]),
        ("apply", RULES, ["name"]),
        ("a/b", RULES, ["name"]),
        (NAME, (PathRule(path="/kv", capabilities=("read",)),), ["rules[0].path"]),
        (NAME, (PathRule(path="kv", capabilities=("fly",)),), ["rules[0].capabilities"]),
        (NAME, (RULES[0], RULES[0]), ["rules[1].path"]),
        (NAME, RULES, []),
    ],
)
def test_a_check_names_the_property_that_is_wrong(
    name: str, rules: tuple[PathRule, ...], properties: list[str]
) -> None:
    inputs = PolicyInputs(unit="26506", key="policy/x", name=name, rules=rules)
    assert [failure.property for failure in handler.check(inputs)] == properties
