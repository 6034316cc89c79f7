"""A web site's certificate from the key in memory to the CRL, on a real Vault and a real API server."""

from __future__ import annotations

import base64
import json
import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from donvi.backends.client_certificate import Credential
from donvi.backends.kubernetes.client import KubernetesClient
from donvi.backends.vault import PkiRoleSpec
from donvi.errors import ConflictError, PartialError, UnreachableError, UsageError
from donvi.provider.handlers.kubernetes import CertificateSecretHandler, CertificateSecretInputs
from tests.support.control_plane import control_plane
from tests.support.fixtures import run_services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.provider.handler import Found, Result
    from donvi.provider.services import Services
    from tests.support.control_plane import ControlPlane, Kube
    from tests.support.vault_server import VaultServer

__all__ = ["control_plane"]

MOUNT = "pki-service"
HOST = "www.vung-tau.tphcm.test"
handler = CertificateSecretHandler()


@dataclass
class Bench:
    """A unit of the test's own, with a role and a namespace."""

    plane: ControlPlane
    vault: VaultServer
    services: Services
    kube: Kube
    wanted: CertificateSecretInputs

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.wanted.namespace}/secrets/{self.wanted.name}"

    @property
    def id(self) -> str:
        return f"{self.wanted.unit}/web-portal"

    def secret(self) -> Any:
        return self.kube.get(self.path)

    def held(self, name: str) -> bytes:
        return base64.b64decode(self.secret()["data"][name])

    def create(self) -> Result:
        return handler.create(self.services, self.wanted)

    def repair(self) -> Result:
        return handler.update(self.services, self.id, self.wanted, self.wanted)

    def read(self) -> Found:
        found = handler.read(self.services, self.id, self.wanted)
        assert found is not None
        return found

    def revoked(self) -> frozenset[str]:
        return self.services.vault.pki_revoked(MOUNT)

    def as_user(self, user: str, groups: tuple[str, ...], *, clock: str = "") -> Services:
        return services_on(self.plane, self.vault, user, groups, clock=clock)


def services_on(
    plane: ControlPlane, vault: VaultServer, user: str, groups: tuple[str, ...], *, clock: str = ""
) -> Services:
    """Return what a provider process works with, logged in to the cluster as a user of groups."""
    made = run_services(vault, "apply", clock=clock)

    def credential() -> Credential:
        return Credential(*plane.signer.pair(user, groups), expires=datetime.now(UTC) + timedelta(hours=1))

    made._clients._made["kubernetes"] = KubernetesClient(plane.server, plane.signer.pem, credential, patience=1)
    return made


def data(secret: dict[str, Any], **contents: str) -> dict[str, Any]:
    return {"data": {**secret["data"], **{name.replace("_", "."): text for name, text in contents.items()}}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def foreign_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


@pytest.fixture
def bench(control_plane: ControlPlane, own_vault: VaultServer) -> Iterator[Bench]:
    code = f"9{secrets.randbelow(10_000):04}"
    wanted = CertificateSecretInputs(
        unit=code,
        key="certificate-secret/web-portal",
        namespace=f"unit-{code}-public",
        name="web-portal-tls",
        labels={"donvi/zone": "public", "donvi/system": "web-portal"},
        mount=MOUNT,
        role=f"unit-{code}-web-portal",
        common_name=HOST,
        dns_names=(HOST,),
        uris=(f"urn:donvi:unit:{code}",),
        usages=("server",),
        ttl_hours=72,
    )
    services = services_on(control_plane, own_vault, "donvi-apply", ("system:masters",))
    role = PkiRoleSpec(
        allowed_domains=(HOST, f"cong.{HOST}"), allowed_uris=wanted.uris, client=False, server=True, max_ttl_hours=72
    )
    services.vault.pki_role_write(MOUNT, wanted.role, role)
    kube = control_plane.client()
    kube.post("/api/v1/namespaces", {"metadata": {"name": wanted.namespace}})
    yield Bench(control_plane, own_vault, services, kube, wanted)
    kube.delete(f"/api/v1/namespaces/{wanted.namespace}")
    services.close()


def test_the_secret_holds_a_key_and_the_certificate_for_it_and_the_units_mark(bench: Bench) -> None:
    made = bench.create()
    secret = bench.secret()
    assert secret["type"] == "kubernetes.io/tls"
    assert secret["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "donvi",
        "donvi/system": "web-portal",
        "donvi/unit": bench.wanted.unit,
        "donvi/zone": "public",
    }
    assert {entry["manager"] for entry in secret["metadata"]["managedFields"]} == {"donvi"}
    leaf = x509.load_pem_x509_certificate(bench.held("tls.crt"))
    key = serialization.load_pem_private_key(bench.held("tls.key"), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert leaf.public_key() == key.public_key()
    assert bench.held("tls.crt").count(b"BEGIN CERTIFICATE") == 2, "the leaf and its issuer, without the root"
    assert int(str(made.outputs["serial"]), 16) == leaf.serial_number


def test_nothing_of_the_key_leaves_but_into_the_secret(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made, found = bench.create(), bench.read()
    key = bench.held("tls.key").decode()
    canaries = [key.split("\n")[1], encoded(key)[:40], "PRIVATE KEY"]
    entry = bench.services.vault.kv_read(
        f"archive/certificates/{bench.wanted.unit}/web-portal/{made.outputs['serial']}"
    )
    texts = [json.dumps(made.outputs), json.dumps(made.notes), json.dumps(found.outputs), str(entry), caplog.text]
    assert not [canary for canary in canaries for text in texts if canary in text]
    assert set(made.outputs) == {
        "serial", "fingerprint", "notBefore", "notAfter", "renewalAt", "publicKey", "issuer"
    }  # fmt: skip


def test_a_refused_secret_is_told_without_what_was_in_it(bench: Bench) -> None:
    bench.kube.post(
        f"/api/v1/namespaces/{bench.wanted.namespace}/resourcequotas",
        {"metadata": {"name": "none"}, "spec": {"hard": {"secrets": "0"}}},
    )
    _until(lambda: "hard" in (bench.kube.get(_quota(bench)).get("status") or {}))
    with pytest.raises(PartialError, match=r"exceeded quota") as caught:
        bench.create()
    assert bench.wanted.unit in str(caught.value)
    assert "raise `pods`" in caught.value.hint
    assert "BEGIN" not in str(caught.value)
    assert "LS0t" not in str(caught.value), "base64 of a PEM"
    bench.kube.delete(_quota(bench))
    made = bench.create()
    assert len(bench.revoked() & set(_archived(bench))) == 1, "the certificate whose key was lost with the first run"
    assert made.outputs["serial"] not in bench.revoked()


def test_repeating_signs_nothing_new_and_writes_nothing(bench: Bench) -> None:
    first, version = bench.create(), bench.secret()["metadata"]["resourceVersion"]
    again = bench.create()
    assert again.outputs == first.outputs
    assert bench.secret()["metadata"]["resourceVersion"] == version
    assert _archived(bench) == [first.outputs["serial"]]


def test_a_refresh_finds_what_was_declared(bench: Bench) -> None:
    made, found = bench.create(), bench.read()
    assert found.inputs == bench.wanted
    assert found.outputs == made.outputs
    assert found.notes == ()
    assert handler.renewal(made.outputs, datetime.now(UTC)) is None


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda bench: bench.kube.delete(bench.path), "is missing"),
        (
            lambda bench: bench.kube.patch(bench.path, data(bench.secret(), tls_key=encoded(foreign_key()))),
            "doesn't fit its certificate",
        ),
        (
            lambda bench: bench.kube.patch(
                bench.path, data(bench.secret(), tls_crt=encoded(bench.plane.signer.pair("somebody")[0]))
            ),
            "holds another certificate",
        ),
        (
            lambda bench: bench.kube.patch(bench.path, {"metadata": {"labels": {"donvi/zone": "party"}}}),
            "labels of Secret",
        ),
    ],
)
def test_a_damaged_secret_is_seen_and_gets_a_new_key(bench: Bench, damage: Any, said: str) -> None:
    before = bench.create()
    damage(bench)
    found = bench.read()
    assert said in found.notes[0]
    assert found.outputs is not None
    assert handler.renewal(found.outputs, datetime.now(UTC)) == handler.misplaced
    after = bench.repair()
    assert bench.read().outputs == after.outputs
    assert bench.read().notes == ()
    if said != "labels of Secret":
        assert after.outputs["publicKey"] != before.outputs["publicKey"]
        assert before.outputs["serial"] in bench.revoked(), "nobody knows who has the old key"


def test_whoever_wrote_into_the_secret_is_named_when_it_is_taken_back(bench: Bench) -> None:
    bench.create()
    bench.kube.patch(bench.path, data(bench.secret(), tls_key=encoded(foreign_key())), manager="somebody")
    assert bench.repair().notes == (
        f"Secret {bench.wanted.namespace}/{bench.wanted.name} was written anew over somebody",
    )


@pytest.mark.parametrize("spoiled", [{"type": "Opaque"}, {"immutable": True}])
def test_one_of_ours_that_can_not_be_written_is_made_again(bench: Bench, spoiled: dict[str, Any]) -> None:
    bench.create()
    secret = bench.secret()
    bench.kube.delete(bench.path)
    kept = {name: secret["metadata"][name] for name in ("name", "labels", "annotations")}
    wrong = {"metadata": kept, "type": secret["type"], **data(secret, tls_crt=encoded("wrong")), **spoiled}
    bench.kube.post(bench.path.rpartition("/")[0], wrong)
    bench.repair()
    assert bench.read().notes == ()


@pytest.mark.parametrize(
    "marks",
    [
        {},
        {"labels": {"donvi/unit": "00000", "app.kubernetes.io/managed-by": "donvi"}},
    ],
)
def test_a_secret_of_somebody_else_is_never_taken_over_nor_deleted(bench: Bench, marks: dict[str, Any]) -> None:
    body = {"metadata": {"name": bench.wanted.name, **marks}, "data": {"tls.key": "", "tls.crt": ""}}
    bench.kube.post(bench.path.rpartition("/")[0], {**body, "type": "kubernetes.io/tls"})
    with pytest.raises(ConflictError, match=r"exists already and (carries no owner mark|belongs to unit 00000)"):
        bench.create()
    assert _archived(bench) == [], "nothing was signed for it"
    handler.delete(bench.services, bench.id, bench.wanted)
    assert bench.secret() is not None


def test_renewal_opens_at_two_thirds_of_life_with_a_new_key_and_leaves_the_old_one_to_expire(bench: Bench) -> None:
    before, now = bench.create(), datetime.now(UTC)
    assert handler.renewal(before.outputs, now + timedelta(hours=47)) is None
    assert "renewal is due" in (handler.renewal(before.outputs, now + timedelta(hours=49)) or "")
    moment = (now + timedelta(hours=49)).isoformat()
    later = bench.as_user("donvi-apply", ("system:masters",), clock=moment)
    after = handler.update(later, bench.id, bench.wanted, bench.wanted)
    later.close()
    assert after.outputs["publicKey"] != before.outputs["publicKey"]
    assert before.outputs["serial"] not in bench.revoked(), "pods serve it until they have read the new one"


def test_another_name_revokes_the_old_certificate(bench: Bench) -> None:
    before = bench.create()
    other = replace(bench.wanted, common_name=f"cong.{HOST}", dns_names=(f"cong.{HOST}",))
    after = handler.update(bench.services, bench.id, bench.wanted, other)
    assert bench.revoked() >= {before.outputs["serial"]}
    assert after.outputs["serial"] not in bench.revoked()


def test_delete_revokes_and_removes_and_may_be_repeated(bench: Bench) -> None:
    made = bench.create()
    handler.delete(bench.services, bench.id, bench.wanted)
    handler.delete(bench.services, bench.id, bench.wanted)
    assert bench.secret() is None
    assert made.outputs["serial"] in bench.revoked()
    assert handler.read(bench.services, bench.id, bench.wanted) is None


def test_delete_after_the_namespace_has_gone_still_revokes(bench: Bench) -> None:
    made = bench.create()
    gone = replace(bench.wanted, namespace="unit-00000-nowhere")
    handler.delete(bench.services, bench.id, gone)
    assert made.outputs["serial"] not in bench.revoked(), "it was issued for another namespace's Secret"
    bench.kube.delete(bench.path)
    handler.delete(bench.services, bench.id, bench.wanted)
    assert made.outputs["serial"] in bench.revoked()


def test_who_may_not_read_secrets_sees_the_archive_alone(bench: Bench) -> None:
    made = bench.create()
    bench.kube.delete(bench.path)
    preview = bench.as_user("donvi-preview", ("donvi:preview",))
    found = handler.read(preview, bench.id, bench.wanted)
    preview.close()
    assert found is not None
    assert found.outputs == made.outputs
    assert found.notes == ()


def test_a_cluster_that_is_away_is_named_with_the_unit_and_nothing_is_signed(bench: Bench) -> None:
    away = KubernetesClient("https://127.0.0.1:1", bench.plane.signer.pem, lambda: _credential(bench), patience=0)
    bench.services._clients._made["kubernetes"] = away
    said = rf"can't be reached \(Connection refused\).*unit-{bench.wanted.unit}"
    with pytest.raises(UnreachableError, match=said) as caught:
        bench.create()
    assert "donvi lab status" in caught.value.hint
    assert _archived(bench) == []


def test_a_server_with_another_certificate_is_not_talked_to(bench: Bench, own_vault: VaultServer) -> None:
    wrong = KubernetesClient(bench.plane.server, own_vault.authority.pem, lambda: _credential(bench), patience=30)
    bench.services._clients._made["kubernetes"] = wrong
    with pytest.raises(UnreachableError, match="its certificate isn't good"):
        bench.create()


def test_import_is_refused_with_what_to_do_instead(bench: Bench) -> None:
    with pytest.raises(UsageError, match="can't be imported"):
        handler.read(bench.services, f"{bench.wanted.unit}/web-portal/0a", None)


@pytest.mark.parametrize(
    ("changes", "property"),
    [
        ({"unit": "vung-tau"}, "unit"),
        ({"key": "certificate/web-portal"}, "key"),
        ({"namespace": "unit/../kube-system"}, "namespace"),
        ({"name": "Tàu"}, "name"),
        ({"labels": {"donvi/zone": "công cộng"}}, "labels.donvi/zone"),
        ({"common_name": "*.tphcm.test"}, "commonName"),
        ({"ttl_hours": 0}, "ttlHours"),
    ],
)
def test_what_can_not_be_is_refused_by_its_property(bench: Bench, changes: dict[str, Any], property: str) -> None:
    assert [failure.property for failure in handler.check(replace(bench.wanted, **changes))] == [property]
    assert not list(handler.check(bench.wanted))


def _archived(bench: Bench) -> list[str]:
    return bench.services.vault.kv_list(f"archive/certificates/{bench.wanted.unit}/web-portal")


def _quota(bench: Bench) -> str:
    return f"/api/v1/namespaces/{bench.wanted.namespace}/resourcequotas/none"


def _credential(bench: Bench) -> Credential:
    return Credential(*bench.plane.signer.pair("donvi-apply"), expires=datetime.now(UTC) + timedelta(hours=1))


def _until(done: Any) -> None:
    """Wait for a controller."""
    import time

    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
