"""Whom a system's service lets in."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from donvi.backends.client_certificate import client_context, issue
from donvi.tenancy.servers import ZONE_PORT
from tests.playbooks.conftest import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from donvi.deployment import Deployment
    from tests.playbooks.conftest import Scratch, Vault

OTHER = "80000"  # a unit that doesn't exist, with a certificate all the same
FRESH = 20  # seconds after which a revocation must be known everywhere
Certificates = dict[str, tuple[str, str]]  # unit → file with key and chain, PEM of the leaf


@pytest.fixture(scope="module")
def certificates(
    vault: Callable[[str], Vault], scratch: Scratch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Certificates]:
    """Client certificates of the scratch unit and of another, from the issuer that units' services have."""
    folder, apply, made = tmp_path_factory.mktemp("keys"), vault("apply"), {}
    for code in (scratch.code, OTHER):
        name, uri = f"thu-{code}.tphcm.test", f"urn:donvi:unit:{code}"
        role = {"allowed_domains": [name], "allow_bare_domains": True, "allowed_uri_sans": [uri], "key_type": "ec"}
        role |= {"server_flag": False, "client_flag": True, "no_store": True, "max_ttl": "1h"}
        apply.data("POST", f"pki-service/roles/unit-{code}-thu", role)
        key = ec.generate_private_key(ec.SECP256R1())
        alternative = x509.SubjectAlternativeName([x509.DNSName(name), x509.UniformResourceIdentifier(uri)])
        csr = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .add_extension(alternative, critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = csr.public_bytes(serialization.Encoding.PEM).decode()
        signed = apply.data("POST", f"pki-service/sign/unit-{code}-thu", {"csr": pem})
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = "\n".join([signed["certificate"], *signed["ca_chain"]]).encode()
        made[code] = (write_bytes(folder / f"{code}.pem", private + chain), signed["certificate"])
    yield made
    for code in made:
        apply.data("DELETE", f"pki-service/roles/unit-{code}-thu")


@pytest.fixture(scope="module")
def ask(
    deployment: Deployment, root: str, certificates: Certificates, scratch: Scratch
) -> Callable[..., tuple[int, dict[str, str]]]:
    """Send a request with a unit's certificate, as a person; status and body."""

    def request(
        system: str, path: str, unit: str | None, uid: str = "", password: str = ""
    ) -> tuple[int, dict[str, str]]:
        context = ssl.create_default_context(cafile=root)
        if unit:
            context.load_cert_chain(certificates[unit][0])
        place = deployment.systems.get(system) or f"{deployment.machine(system).address}:{ZONE_PORT}"
        host, port = place.split(":")
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=20)
        word = base64.b64encode(f"{uid}:{password or scratch.password}".encode()).decode()
        try:
            connection.request("GET", path, headers={"Authorization": f"Basic {word}"} if uid else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    return request


def test_the_right_person_with_the_units_certificate_is_let_in(ask: Callable[..., object], scratch: Scratch) -> None:
    expected = 200, {"unit": scratch.code, "account": scratch.clerk, "role": "clerk"}
    assert ask("documents", f"/{scratch.code}/clerk", scratch.code, scratch.clerk) == expected
    assert ask("documents", f"/{scratch.code}/clerk", scratch.code, scratch.address(scratch.clerk)) == expected


def test_no_certificate_no_handshake(ask: Callable[..., object], scratch: Scratch) -> None:
    with pytest.raises(OSError, match=r"alert|EOF|reset"):
        ask("documents", f"/{scratch.code}/clerk", None, scratch.clerk)


@pytest.mark.parametrize(("uid", "password"), [("*", ""), ("khong-ai", ""), ("", ""), ("vt*", "x"), ("a\0b", "x")])
def test_who_cannot_prove_it_is_401(
    ask: Callable[..., tuple[int, object]], scratch: Scratch, uid: str, password: str
) -> None:
    assert ask("documents", f"/{scratch.code}/clerk", scratch.code, uid, password)[0] == 401


def test_a_wrong_password_is_401(ask: Callable[..., tuple[int, object]], scratch: Scratch) -> None:
    assert ask("documents", f"/{scratch.code}/clerk", scratch.code, scratch.clerk, "sai mật khẩu")[0] == 401


def test_another_role_or_none_is_403(ask: Callable[..., tuple[int, object]], scratch: Scratch) -> None:
    assert ask("documents", f"/{scratch.code}/leader", scratch.code, scratch.clerk)[0] == 403
    assert ask("documents", f"/{scratch.code}/clerk", scratch.code, scratch.other)[0] == 403
    assert ask("tthc", f"/{scratch.code}/clerk", scratch.code, scratch.clerk)[0] == 403


def test_another_units_certificate_or_path_is_403(ask: Callable[..., tuple[int, object]], scratch: Scratch) -> None:
    assert ask("documents", f"/{scratch.code}/clerk", OTHER, scratch.clerk)[0] == 403
    assert ask("documents", f"/{OTHER}/clerk", scratch.code, scratch.clerk)[0] == 403


def test_a_machine_reaches_its_own_units_interface_only(
    ask: Callable[..., tuple[int, object]], scratch: Scratch
) -> None:
    assert ask("lgsp", f"/{scratch.code}/api", scratch.code) == (200, {"unit": scratch.code})
    assert ask("lgsp", f"/{scratch.code}/api", OTHER)[0] == 403


@pytest.mark.parametrize("zone", ["gov", "national", "party", "public"])
def test_something_answers_machines_in_every_zone_and_knows_their_unit(
    ask: Callable[..., tuple[int, object]], scratch: Scratch, zone: str
) -> None:
    assert ask(f"zone-{zone}", f"/{scratch.code}/api", scratch.code) == (200, {"unit": scratch.code})
    assert ask(f"zone-{zone}", f"/{scratch.code}/api", OTHER)[0] == 403
    assert ask(f"zone-{zone}", f"/{scratch.code}/clerk", scratch.code, scratch.clerk)[0] == 403, "it has no roles"


def test_systems_that_moved_left_nothing_at_the_data_centre(on: Callable[..., str]) -> None:
    found = on("dc", "systemctl list-units --all --plain --no-legend 'donvi-system@*'; ls /etc/donvi/tls/*.key")
    assert {Path(line).stem for line in found.splitlines()} == {"directory", "mail", "ns1", "vault"}
    assert on("dc", "test ! -e /etc/donvi/systems && echo gone") == "gone\n"


def test_a_revoked_certificate_is_refused(
    ask: Callable[..., tuple[int, object]], vault: Callable[[str], Vault], certificates: Certificates
) -> None:
    assert ask("lgsp", f"/{OTHER}/api", OTHER)[0] == 200
    vault("apply").data("POST", "pki-service/revoke", {"certificate": certificates[OTHER][1]})
    vault("apply").data("GET", "pki-service/crl/rotate")
    deadline = time.monotonic() + FRESH
    while time.monotonic() < deadline:
        try:
            ask("lgsp", f"/{OTHER}/api", OTHER)
        except OSError:
            return
        time.sleep(0.2)
    pytest.fail(f"still let in {FRESH} s after its revocation was published")


def test_a_certificate_for_the_cluster_opens_no_system(
    deployment: Deployment, vault: Callable[[str], Vault], root: str
) -> None:
    token = str(vault("apply").session.headers["X-Vault-Token"])
    context = client_context(Path(root).read_text(), issue(deployment.vault.address, token, root))
    host, port = deployment.systems["documents"].split(":")
    with (
        closing(http.client.HTTPSConnection(host, int(port), context=context, timeout=20)) as connection,
        pytest.raises(OSError, match=r"alert|EOF|reset"),
    ):
        asked(connection, "/26506/clerk")


def asked(connection: http.client.HTTPSConnection, path: str) -> int:
    """Send a request; in TLS 1.3 a refused client learns of it at its first read."""
    connection.request("GET", path)
    return connection.getresponse().status
