"""AppRoles, PKI roles, issuer URLs and transit keys as resources, on a real Vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from donvi.backends.vault import Owner
from donvi.errors import BackendError, ConflictError, PermissionDeniedError
from donvi.provider.handlers.vault import (
    AppRoleHandler,
    AppRoleInputs,
    LoginGroupHandler,
    LoginGroupInputs,
    PkiRoleHandler,
    PkiRoleInputs,
    PkiUrlsHandler,
    PkiUrlsInputs,
    TransitKeyHandler,
    TransitKeyInputs,
)
from tests.support.fixtures import run_services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.provider.handler import Handler
    from donvi.provider.services import Services
    from tests.support.vault_server import VaultServer

APP_ROLE = AppRoleInputs(
    unit="26506",
    key="app-role/unit-26506",
    name="unit-26506",
    policies=("unit-26506",),
    token_ttl_seconds=1200,
    secret_id_ttl_seconds=600,
    bound_cidrs=("127.0.0.0/8", "fd9b:7a3c:2900:3400::/56"),
)
PKI_ROLE = PkiRoleInputs(
    unit="26506",
    key="pki-role/pki-gateway/unit-26506-gateway",
    mount="pki-gateway",
    name="unit-26506-gateway",
    allowed_domains=("gw.vung-tau.tphcm.test",),
    allowed_uris=("urn:donvi:unit:26506",),
    client=True,
    server=True,
    max_ttl_hours=2160,
)
# of a unit whose people no other test logs in
PERSON_ROLE = PkiRoleInputs(
    unit="26740",
    key="pki-role/pki-cluster/unit-26740-person",
    mount="pki-cluster",
    name="unit-26740-person",
    client=True,
    server=False,
    max_ttl_hours=1,
    organization="unit:26740:web-portal-admin",
    login="ldap",
)
LOGIN_GROUP = LoginGroupInputs(
    unit="26740", key="login-group/ldap/26740", method="ldap", name="26740", policies=("unit-26740-person",)
)
PKI_URLS = PkiUrlsInputs(
    unit="platform",
    key="pki-urls/pki-service",
    mount="pki-service",
    issuing=("https://vault.tphcm.test:8200/v1/pki-service/ca",),
    crl=("https://vault.tphcm.test:8200/v1/pki-service/crl",),
)
TRANSIT_KEY = TransitKeyInputs(unit="platform", key="transit-key/26506-vung-tau", name="26506-vung-tau")
EVERY = [
    pytest.param(AppRoleHandler(), APP_ROLE, "unit-26506", id="AppRole"),
    pytest.param(PkiRoleHandler(), PKI_ROLE, "pki-gateway/unit-26506-gateway", id="PkiRole"),
    pytest.param(PkiRoleHandler(), PERSON_ROLE, "pki-cluster/unit-26740-person", id="PkiRole of people"),
    pytest.param(LoginGroupHandler(), LOGIN_GROUP, "ldap/26740", id="LoginGroup"),
    pytest.param(PkiUrlsHandler(), PKI_URLS, "pki-service", id="PkiUrls"),
    pytest.param(TransitKeyHandler(), TRANSIT_KEY, "26506-vung-tau", id="TransitKey"),
]
DELETED = EVERY[:-1]


@pytest.fixture
def services(own_vault: VaultServer) -> Iterator[Services]:
    made = run_services(own_vault, "apply")
    yield made
    for parameters in EVERY:
        handler, inputs, identifier = parameters.values
        handler.delete(made, identifier, inputs)
    made.vault.owner_release("transit-key", TRANSIT_KEY.name)
    if made.vault.transit_read(TRANSIT_KEY.name) is not None:
        own_vault.root.post(f"transit/keys/{TRANSIT_KEY.name}/config", {"deletion_allowed": True})
        own_vault.root.delete(f"transit/keys/{TRANSIT_KEY.name}")
    made.close()


@pytest.mark.parametrize(("handler", "inputs", "identifier"), EVERY)
def test_it_is_created_once_and_read_back_as_declared(
    services: Services, handler: Handler[Any], inputs: Any, identifier: str
) -> None:
    first = handler.create(services, inputs)
    assert first.id == identifier
    assert handler.create(services, inputs) == first, "a repeated create adopts its own object"
    found = handler.read(services, identifier, inputs)
    assert found is not None
    assert found.inputs == inputs
    assert found.outputs == first.outputs


@pytest.mark.parametrize(("handler", "inputs", "identifier"), EVERY)
def test_an_import_by_id_alone_finds_the_same_inputs(
    services: Services, handler: Handler[Any], inputs: Any, identifier: str
) -> None:
    handler.create(services, inputs)
    imported = handler.read(services, identifier, None)
    assert imported is not None
    assert imported.inputs == inputs


@pytest.mark.parametrize(("handler", "inputs", "identifier"), DELETED)
def test_deleting_leaves_neither_object_nor_mark_and_may_be_repeated(
    services: Services, handler: Handler[Any], inputs: Any, identifier: str
) -> None:
    handler.create(services, inputs)
    handler.delete(services, identifier, inputs)
    handler.delete(services, identifier, inputs)
    assert handler.read(services, identifier, inputs) is None
    kind = {
        "AppRoleInputs": "app-role",
        "LoginGroupInputs": "login-group",
        "PkiRoleInputs": "pki-role",
        "PkiUrlsInputs": "pki-urls",
    }
    assert services.vault.owner_read(kind[type(inputs).__name__], identifier) is None


@pytest.mark.parametrize(("handler", "inputs", "identifier"), EVERY)
def test_an_object_of_another_unit_is_not_taken_and_not_deleted(
    services: Services, handler: Handler[Any], inputs: Any, identifier: str
) -> None:
    theirs = replace(inputs, unit="25747", key="theirs")
    handler.create(services, theirs)
    with pytest.raises(ConflictError, match=r"belongs to unit 25747.*pulumi import donvi:vault:"):
        handler.create(services, inputs)
    with pytest.raises(ConflictError):
        handler.update(services, identifier, inputs, inputs)
    handler.delete(services, identifier, inputs)
    assert handler.read(services, identifier, theirs) is not None
    handler.delete(services, identifier, theirs)


@pytest.mark.parametrize(("handler", "inputs", "identifier"), EVERY)
def test_an_object_that_nobody_marked_is_not_taken_by_create_but_by_import_and_update(
    services: Services, handler: Handler[Any], inputs: Any, identifier: str
) -> None:
    handler.create(services, inputs)
    kind = inputs.key.split("/")[0]
    services.vault.owner_release(kind, identifier)
    with pytest.raises(ConflictError, match="carries no owner mark"):
        handler.create(services, inputs)
    imported = handler.read(services, identifier, None)
    assert imported is not None
    assert imported.inputs.key == inputs.key
    handler.update(services, identifier, imported.inputs, inputs)
    assert services.vault.owner_read(kind, identifier) == Owner(inputs.unit, inputs.key)


@pytest.mark.parametrize(("handler", "inputs", "identifier"), EVERY)
def test_a_create_that_died_after_the_mark_is_finished_by_the_next(
    services: Services, handler: Handler[Any], inputs: Any, identifier: str
) -> None:
    services.vault.owner_write(inputs.key.split("/")[0], identifier, Owner(inputs.unit, inputs.key))
    assert handler.read(services, identifier, inputs) is None
    assert handler.create(services, inputs).id == identifier


@pytest.mark.parametrize(("handler", "inputs", "identifier"), EVERY)
def test_a_preview_reads_everything_and_can_create_nothing(
    own_vault: VaultServer, services: Services, handler: Handler[Any], inputs: Any, identifier: str
) -> None:
    preview = run_services(own_vault, "preview")
    with pytest.raises(PermissionDeniedError):
        handler.create(preview, inputs)
    handler.create(services, inputs)
    found = handler.read(preview, identifier, inputs)
    assert found is not None
    assert found.inputs == inputs
    preview.close()


def test_a_role_loosened_by_hand_is_seen_and_tightened(services: Services, own_vault: VaultServer) -> None:
    handler = PkiRoleHandler()
    handler.create(services, PKI_ROLE)
    own_vault.root.request(
        "post", "pki-gateway/roles/unit-26506-gateway", {"allow_any_name": True, "no_store": False, "max_ttl": "99h"}
    )
    found = handler.read(services, "pki-gateway/unit-26506-gateway", PKI_ROLE)
    assert found is not None
    assert "(allow_any_name=True)" in found.inputs.allowed_domains
    assert found.inputs.max_ttl_hours == 99
    handler.update(services, "pki-gateway/unit-26506-gateway", found.inputs, PKI_ROLE)
    again = handler.read(services, "pki-gateway/unit-26506-gateway", PKI_ROLE)
    assert again is not None
    assert again.inputs == PKI_ROLE


def test_a_role_of_people_that_lets_them_name_anybody_is_seen_and_tightened(
    services: Services, own_vault: VaultServer
) -> None:
    handler, identifier = PkiRoleHandler(), "pki-cluster/unit-26740-person"
    handler.create(services, PERSON_ROLE)
    loose = {"allowed_domains_template": False, "allowed_domains": ["donvi-apply"], "organization": ["donvi:apply"]}
    own_vault.root.request("post", "pki-cluster/roles/unit-26740-person", loose)
    found = handler.read(services, identifier, PERSON_ROLE)
    assert found is not None
    assert (found.inputs.login, found.inputs.organization) == ("", "donvi:apply")
    handler.update(services, identifier, found.inputs, PERSON_ROLE)
    again = handler.read(services, identifier, PERSON_ROLE)
    assert again is not None
    assert again.inputs == PERSON_ROLE


def test_a_role_for_a_login_that_vault_has_not_got_names_the_remedy(services: Services) -> None:
    with pytest.raises(BackendError, match="no login method at kerberos") as refused:
        PkiRoleHandler().create(services, replace(PERSON_ROLE, login="kerberos"))
    assert "datacentre" in refused.value.hint
    services.vault.owner_release("pki-role", "pki-cluster/unit-26740-person")


def test_an_identity_loosened_by_hand_is_seen(services: Services, own_vault: VaultServer) -> None:
    handler = AppRoleHandler()
    handler.create(services, APP_ROLE)
    own_vault.root.post("auth/approle/role/unit-26506", {"bind_secret_id": False, "token_policies": ["root-like"]})
    found = handler.read(services, "unit-26506", APP_ROLE)
    assert found is not None
    assert found.inputs.policies == ("root-like", "(bind_secret_id=False)")


def test_a_secret_id_logs_in_from_the_units_networks_only(services: Services, own_vault: VaultServer) -> None:
    handler = AppRoleHandler()
    role_id = handler.create(services, APP_ROLE).outputs["roleId"]
    path = "auth/approle/role/unit-26506/secret-id"
    secret = services.vault.unwrap(services.vault.approle_secret_id("unit-26506", wrap_ttl=60), creation_path=path)
    login = {"role_id": role_id, "secret_id": secret["secret_id"]}
    assert policies_after(own_vault, login) == ("default", "unit-26506")
    handler.update(services, "unit-26506", APP_ROLE, replace(APP_ROLE, bound_cidrs=("10.1.0.0/20",)))
    with pytest.raises(BackendError):
        policies_after(own_vault, login)


def policies_after(vault: VaultServer, login: dict[str, object]) -> tuple[str, ...]:
    """Log in and use the token: from a wrong network, some versions refuse the one and some the other."""
    answer = vault.root.post("auth/approle/login", login)
    return vault.root.with_token(answer["auth"]["client_token"]).token_policies()


def test_a_stacks_key_survives_its_resource(services: Services) -> None:
    handler = TransitKeyHandler()
    handler.create(services, TRANSIT_KEY)
    handler.delete(services, TRANSIT_KEY.name, TRANSIT_KEY)
    assert services.vault.transit_read(TRANSIT_KEY.name) == 1, "without it no backup of the state could be read"
    assert handler.create(services, TRANSIT_KEY).outputs == {"latestVersion": 1}


@pytest.mark.parametrize(
    ("handler", "inputs", "properties"),
    [
        (AppRoleHandler(), replace(APP_ROLE, bound_cidrs=("10.1.0.5/20",)), ["boundCidrs[0]"]),
        (AppRoleHandler(), replace(APP_ROLE, bound_cidrs=("Vũng Tàu",)), ["boundCidrs[0]"]),
        (AppRoleHandler(), replace(APP_ROLE, token_ttl_seconds=0), ["tokenTtlSeconds"]),
        (AppRoleHandler(), replace(APP_ROLE, policies=("root",)), ["policies"]),
        (PkiRoleHandler(), replace(PKI_ROLE, allowed_domains=("*.tphcm.test",)), ["allowedDomains[0]"]),
        (PkiRoleHandler(), replace(PKI_ROLE, allowed_domains=("10.0.0.1",)), ["allowedDomains[0]"]),
        (PkiRoleHandler(), replace(PKI_ROLE, allowed_domains=()), ["allowedDomains"]),
        (PkiRoleHandler(), replace(PKI_ROLE, allowed_uris=("urn:donvi:unit:*",)), ["allowedUris[0]"]),
        (PkiRoleHandler(), replace(PKI_ROLE, max_ttl_hours=0), ["maxTtlHours"]),
        (PkiRoleHandler(), replace(PERSON_ROLE, allowed_domains=("x.tphcm.test",)), ["allowedDomains"]),
        (PkiRoleHandler(), replace(PERSON_ROLE, organization="a,system:masters"), ["organization"]),
        (LoginGroupHandler(), replace(LOGIN_GROUP, policies=("root",)), ["policies"]),
        (PkiUrlsHandler(), replace(PKI_URLS, crl=("ldap://x",)), ["crl[0]"]),
        (TransitKeyHandler(), replace(TRANSIT_KEY, name="Vũng Tàu"), ["name"]),
    ],
)
def test_a_check_names_the_property_that_is_wrong(handler: Handler[Any], inputs: Any, properties: list[str]) -> None:
    assert [failure.property for failure in handler.check(inputs)] == properties


def test_the_remedy_for_host_bits_is_the_network_that_was_meant() -> None:
    (failure,) = AppRoleHandler().check(replace(APP_ROLE, bound_cidrs=("10.1.0.5/20",)))
    assert "10.1.0.0/20" in failure.reason
