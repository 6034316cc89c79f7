"""The operators' roles on the city's own Vault: what a preview tries to write is refused, whatever it is.

CI runs a proposed change's own code with a preview's token: this is what stands between a merge request and the city.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from donvi.errors import PermissionDeniedError
from donvi.provider.handlers.dns import RecordSetHandler, RecordSetInputs
from donvi.provider.handlers.pki import CertificateHandler, CertificateInputs
from donvi.provider.handlers.vault import (
    AppRoleHandler,
    AppRoleInputs,
    PkiRoleHandler,
    PkiRoleInputs,
    PkiUrlsHandler,
    PkiUrlsInputs,
    PolicyHandler,
    PolicyInputs,
    TransitKeyHandler,
    TransitKeyInputs,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from donvi.provider.handler import Handler, Inputs
    from donvi.provider.services import Services

ROLES = Path(__file__).parents[2] / "playbooks/roles/vault_content/templates/policies"
WRITING = {"create", "update", "patch", "delete", "sudo"}
UNIT = "90909"
NAME = f"unit-{UNIT}"


def paths_that_apply_writes() -> list[str]:
    """Return one concrete path for every rule of the role `apply` that lets it write."""
    text = (ROLES / "apply.hcl.j2").read_text(encoding="utf-8")
    found = []
    for path, capabilities in re.findall(r'path "([^"]+)" \{ capabilities = \[([^\]]*)\]', text):
        if WRITING & set(re.findall(r"\w+", capabilities)):
            concrete = re.sub(r"\{\{[^}]*\}\}", "gateway", path)
            found.append(concrete.replace("unit-*", NAME).replace("+", NAME).replace("*", f"{UNIT}/thu"))
    return found


EVERY = paths_that_apply_writes()
# an update in Vault's words, but no change to anything: stacks' secrets are opened and closed, an answer is wrapped
NO_CHANGE = {f"transit/encrypt/{NAME}", f"transit/decrypt/{NAME}", "sys/wrapping/wrap"}
OTHER = [
    "sys/policies/acl/preview",
    "sys/policies/acl/administrator",
    "sys/mounts/thu",
    "sys/auth/thu",
    "sys/seal",
    "auth/cert/certs/preview",
    "auth/approle/role/unit-26506/secret-id",
    "auth/token/create",
    "auth/token/create-orphan",
    "identity/entity",
    "kv/data/backends/directory/write",
    "kv/data/backends/dns/tsig/26506",
    "pki-gateway/issue/unit-26506-gateway",
    "pki-gateway/root/generate/internal",
    "pki-gateway/config/crl",
    "ssh-client/config/ca",
    "transit/keys/platform/rotate",
    "transit/keys/platform/config",
]
RESOURCES: list[tuple[Handler[Inputs], Inputs]] = [  # type: ignore[list-item]
    (PolicyHandler(), PolicyInputs(unit=UNIT, key="policy/x", name=NAME, rules=())),
    (
        AppRoleHandler(),
        AppRoleInputs(
            unit=UNIT, key="app-role/x", name=NAME, policies=(NAME,), token_ttl_seconds=60, secret_id_ttl_seconds=60
        ),
    ),
    (
        PkiRoleHandler(),
        PkiRoleInputs(
            unit=UNIT,
            key="pki-role/x",
            mount="pki-gateway",
            name=NAME,
            allowed_domains=("gw.thu.tphcm.test",),
            client=True,
            server=True,
            max_ttl_hours=1,
        ),
    ),
    (
        PkiUrlsHandler(),
        PkiUrlsInputs(unit="platform", key="pki-urls/pki-web", mount="pki-web", issuing=(), crl=("https://x",)),
    ),
    (TransitKeyHandler(), TransitKeyInputs(unit=UNIT, key="transit-key/x", name=NAME)),
    (
        CertificateHandler(),
        CertificateInputs(
            unit=UNIT,
            key="certificate/gateway",
            machine="gw-26506",
            mount="pki-gateway",
            role="unit-26506-gateway",
            common_name="gw.vung-tau.tphcm.test",
            ttl_hours=1,
        ),
    ),
    (
        RecordSetHandler(),
        RecordSetInputs(
            unit=UNIT,
            key="dns/x",
            zone="tphcm.test",
            name="thu.vung-tau.tphcm.test",
            type="A",
            ttl=60,
            values=("10.3.79.99",),
            credential="backends/dns/tsig/26506",
        ),
    ),
]


@pytest.fixture
def preview(services_of: Callable[[str], Services]) -> Services:
    return services_of("preview")


def test_the_rules_of_apply_are_read_as_meant() -> None:
    assert {f"sys/policies/acl/{NAME}", "ssh-client/sign/operator", f"pki-gateway/sign/{NAME}"} <= set(EVERY)


@pytest.mark.parametrize("path", [path for path in EVERY if path not in NO_CHANGE])
def test_a_preview_neither_writes_nor_deletes_where_apply_does(preview: Services, path: str) -> None:
    with pytest.raises(PermissionDeniedError):
        preview.vault.post(path, {"thu": "preview"})
    with pytest.raises(PermissionDeniedError):
        preview.vault.delete(path)


@pytest.mark.parametrize("path", OTHER)
def test_a_preview_does_nothing_that_only_an_administrator_may(preview: Services, path: str) -> None:
    with pytest.raises(PermissionDeniedError):
        preview.vault.post(path, {"thu": "preview"})


def test_a_preview_is_told_the_same_by_vault_itself(preview: Services) -> None:
    paths = [path for path in EVERY if path not in NO_CHANGE]
    answer = preview.vault.post("sys/capabilities-self", {"paths": paths})["data"]
    assert {path: WRITING & set(answer[path]) for path in paths if WRITING & set(answer[path])} == {}


@pytest.mark.parametrize(("handler", "inputs"), RESOURCES, ids=lambda value: type(value).__name__)
def test_no_resource_is_created_by_a_preview(preview: Services, handler: Handler[Inputs], inputs: Inputs) -> None:
    with pytest.raises(PermissionDeniedError):
        handler.create(preview, inputs)


def test_encrypting_under_an_unknown_name_makes_no_key(preview: Services) -> None:
    with pytest.raises(PermissionDeniedError):
        preview.vault.post(f"transit/encrypt/{NAME}", {"plaintext": "dGh1"})
    assert preview.vault.transit_read(NAME) is None


@pytest.mark.parametrize(
    "path",
    ["backends/directory/write", "backends/mail/doveadm", "backends/dns/tsig/26506", "backends/dns/tsig/platform"],
)
def test_a_preview_reads_no_credential_that_writes(preview: Services, path: str) -> None:
    with pytest.raises(PermissionDeniedError):
        preview.vault.kv_read(path)


def test_a_preview_reads_no_password_of_a_probe_and_becomes_no_verifier(preview: Services) -> None:
    with pytest.raises(PermissionDeniedError):
        preview.vault.kv_read("probes/26506/probe-26506-documents-leader")
    with pytest.raises(PermissionDeniedError):
        preview.vault.token_create("verify", ttl_seconds=60)


def test_a_preview_gets_no_key_for_a_machine(preview: Services) -> None:
    assert not preview.ssh.permitted("gw-26506")


def test_an_apply_neither_reads_probes_passwords_nor_changes_who_may_do_what(services: Services) -> None:
    with pytest.raises(PermissionDeniedError):
        services.vault.kv_read("probes/26506/probe-26506-documents-leader")
    for path in ("sys/policies/acl/apply", "sys/policies/acl/preview", "auth/cert/certs/apply", "sys/mounts/thu"):
        with pytest.raises(PermissionDeniedError):
            services.vault.post(path, {"thu": "apply"})
