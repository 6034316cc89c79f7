"""`donvi kubeconfig` and `donvi cluster credential`, as a person and as kubectl run them."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from donvi.deployment import ClusterPlace
from donvi.kubeconfig import kubeconfig
from tests.support.directory_server import PASSWORD
from tests.support.fixtures import deployment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.vault_server import VaultServer

Done = subprocess.CompletedProcess[str]
OPERATORS = ("apply", "preview", "verify")


@pytest.fixture
def run(own_vault: VaultServer, own_people: None, tmp_path: Path) -> Callable[..., Done]:  # noqa: ARG001 - comes first
    place = ClusterPlace(server="https://127.0.0.1:6443", ca=own_vault.authority.pem, gateway="127.0.0.1:443")
    file = tmp_path / "deployment.json"
    found = msgspec.structs.replace(deployment(vault=own_vault.address), cluster=place)
    file.write_bytes(msgspec.json.encode(found))

    def donvi(*arguments: str, stdin: str = "", **more: str) -> Done:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "DONVI_"))}
        environ = clean | {"DONVI_DEPLOYMENT": str(file), "HOME": str(tmp_path)} | more
        command = [sys.executable, "-m", "donvi.cli.main", *arguments]
        return subprocess.run(command, input=stdin, env=environ, capture_output=True, text=True, check=False)

    return donvi


def log_in(run: Callable[..., Done], name: str, *more: str, password: str = PASSWORD, unit: str = "26506") -> Done:
    return run("kubeconfig", unit, "--login", name, *more, stdin=password + "\n")


def certificate_of(config: dict[str, list[dict[str, dict[str, str]]]]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(base64.b64decode(config["users"][0]["user"]["client-certificate-data"]))


def test_an_administrator_gets_a_file_that_nobody_else_reads(run: Callable[..., Done], tmp_path: Path) -> None:
    done = log_in(run, "admin@26506.tphcm.test")
    assert done.returncode == 0, done.stderr
    file = tmp_path / ".kube/donvi-26506.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    config = json.loads(file.read_text())
    certificate = certificate_of(config)
    assert certificate.subject.rfc4514_string() == "CN=admin-26506,O=unit:26506:web-portal-admin"
    key = load_pem_private_key(base64.b64decode(config["users"][0]["user"]["client-key-data"]), None)
    assert key.public_key() == certificate.public_key()
    assert config["contexts"][0]["context"] == {
        "cluster": "city",
        "user": "admin-26506",
        "namespace": "unit-26506-public",
    }
    assert PASSWORD not in file.read_text() + done.stdout + done.stderr


def test_the_own_file_is_renewed_and_another_is_never_overwritten(run: Callable[..., Done], tmp_path: Path) -> None:
    own, foreign = tmp_path / "own.json", tmp_path / "config"
    assert log_in(run, "admin-26506", "--output", str(own)).returncode == 0
    before = own.read_text()
    assert log_in(run, "admin-26506", "--output", str(own)).returncode == 0
    assert own.read_text() != before
    foreign.write_text("apiVersion: v1\nkind: Config\n")
    refused = log_in(run, "admin-26506", "--output", str(foreign))
    assert refused.returncode == 2
    assert "wasn't written by donvi" in refused.stderr
    assert foreign.read_text() == "apiVersion: v1\nkind: Config\n"


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("admin-26506", "sai mật khẩu", "wrong name or password"),
        ("new-26506", PASSWORD, "first password"),
        ("clerk-26506", PASSWORD, "not an administrator"),
        ("admin-25747", PASSWORD, "not an administrator"),
    ],
)
def test_who_may_not_is_told_why_and_gets_no_file(
    run: Callable[..., Done], tmp_path: Path, name: str, password: str, said: str
) -> None:
    done = log_in(run, name, password=password)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert password not in done.stderr
    assert not (tmp_path / ".kube").exists()


def test_a_vault_that_is_away_is_named(run: Callable[..., Done], tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    file.write_text(file.read_text().replace(json.loads(file.read_text())["vault"]["address"], "https://127.0.0.1:1"))
    done = log_in(run, "admin-26506")
    assert done.returncode == 1
    assert "Vault at https://127.0.0.1:1 can't be reached" in done.stderr


@pytest.mark.parametrize("role", OPERATORS)
def test_kubectl_gets_a_credential_of_the_tokens_own_role(
    run: Callable[..., Done], own_vault: VaultServer, role: str
) -> None:
    for name in OPERATORS:
        own_vault.root.post(
            f"pki-cluster/roles/operator-{name}",
            {"allowed_domains": f"donvi-{name}", "allow_bare_domains": True, "organization": f"donvi:{name}"}
            | {
                "use_csr_common_name": False,
                "key_type": "ec",
                "client_flag": True,
                "server_flag": False,
                "max_ttl": "1h",
            },
        )
    path = f'path "pki-cluster/sign/operator-{role}" {{ capabilities = ["update"] }}'
    own_vault.root.policy_write(f"cluster-{role}", path)
    answer = own_vault.root.post("auth/token/create", {"policies": [role, f"cluster-{role}"], "ttl": "5m"})
    token = answer["auth"]["client_token"]
    done = run("cluster", "credential", VAULT_ADDR=own_vault.address, VAULT_TOKEN=token, VAULT_CACERT=own_vault.ca_file)
    assert done.returncode == 0, done.stderr
    credential = json.loads(done.stdout)
    assert (credential["apiVersion"], credential["kind"]) == ("client.authentication.k8s.io/v1", "ExecCredential")
    leaf, *chain = x509.load_pem_x509_certificates(credential["status"]["clientCertificateData"].encode())
    assert leaf.subject.rfc4514_string() == f"CN=donvi-{role},O=donvi:{role}"
    assert len(chain) == 1, "the issuer, without the root"
    ends = leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert credential["status"]["expirationTimestamp"] == ends
    load_pem_private_key(credential["status"]["clientKeyData"].encode(), None)


def test_without_a_good_token_only_standard_error_speaks(run: Callable[..., Done], own_vault: VaultServer) -> None:
    nobody = run("cluster", "credential")
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert "donvi lab env" in nobody.stderr
    place = {"VAULT_ADDR": own_vault.address, "VAULT_CACERT": own_vault.ca_file}
    ended = run("cluster", "credential", VAULT_TOKEN="s.khongphaitokennao1234567890", **place)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "doesn't know this token" in ended.stderr
    other = run("cluster", "credential", VAULT_TOKEN=own_vault.token("default"), **place)
    assert (other.returncode, other.stdout) == (2, "")
    assert "no operator's" in other.stderr


def test_the_operators_configuration_holds_no_secret(own_vault: VaultServer) -> None:
    place = ClusterPlace(server="https://127.0.0.1:6443", ca=own_vault.authority.pem, gateway="127.0.0.1:443")
    config = kubeconfig(msgspec.structs.replace(deployment(), cluster=place))
    (user,) = config["users"]
    assert set(user["user"]) == {"exec"}
    assert [user["user"]["exec"]["command"], *user["user"]["exec"]["args"]] == ["donvi", "cluster", "credential"]
    assert (
        "PRIVATE KEY" not in base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    )
