"""A Kubernetes control plane on loopback: etcd, kube-apiserver and, if wanted, the controllers; no node, real API.

Certificates are the server's own authority's: :meth:`ControlPlane.kubeconfig` gives any user in any groups a client
certificate. Everything lies on tmpfs and is gone at the end. Pods never run: a test that needs a ready one writes its
status through the API, as a kubelet would (:meth:`Kube.play_ready`).
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import tools
from lab.settings import LabSettings
from tests.support.ca import key_pem, pem_of
from tests.support.vault_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

MASTERS = ("system:masters",)
CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "namespace-controller",
    "resourcequota-controller",
    "serviceaccount-controller",
    "garbage-collector-controller",
    "job-controller",
    "endpointslice-controller",
)
START_SECONDS = 90
NODE = "played"


class Signer:
    """An authority that signs servers on loopback and clients with groups; its key stays in memory."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Control plane under test")])
        self.pem = pem_of(self._signed(self.name, self.key.public_key(), authority=True))

    def pair(self, user: str, groups: tuple[str, ...] = (), hours: float = 24) -> tuple[str, str]:
        """Return certificate and key (PEM) that serve 127.0.0.1 and log in as a user of groups."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        return pem_of(self._signed(subject, key.public_key(), hours=hours)), key_pem(key)

    def _signed(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, *, authority: bool = False, hours: float = 24
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(hours=hours))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self.key, hashes.SHA256())


@dataclass
class Kube:
    """Asks the API server as one user; shares no code with what is tested."""

    server: str
    session: requests.Session

    def request(self, method: str, path: str, *, fails: int = 0, **options: Any) -> Any:
        """Send a request; assert that it succeeded or, if so wished, failed with that status."""
        answer = self.session.request(method, f"{self.server}{path}", timeout=30, **options)
        assert answer.status_code == fails if fails else answer.status_code < 400, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        """Return an object, ``None`` if there is none."""
        answer = self.session.get(f"{self.server}{path}", timeout=30)
        assert answer.status_code in {200, 404}, answer.text
        return answer.json() if answer.status_code == 200 else None

    def post(self, path: str, value: dict[str, Any], *, manager: str = "kubectl-create") -> Any:
        """Make an object as a person with kubectl would."""
        return self.request("POST", path, json=value, params={"fieldManager": manager})

    def delete(self, path: str) -> Any:
        return self.request("DELETE", path)

    def patch(self, path: str, value: Any, *, manager: str = "kubectl-edit") -> Any:
        """Change an object as a person with kubectl, or as another manager, would."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self.request("PATCH", path, data=json.dumps(value), headers=headers, params={"fieldManager": manager})

    def apply(self, path: str, value: dict[str, Any], *, manager: str, force: bool = False) -> Any:
        """Apply on the server's side as another owner."""
        headers = {"Content-Type": "application/apply-patch+yaml"}
        params = {"fieldManager": manager, "force": str(force).lower()}
        return self.request("PATCH", path, data=json.dumps(value), headers=headers, params=params)

    def status(self, path: str, status: dict[str, Any]) -> Any:
        """Write an object's status, as its controller or a kubelet would."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self.request("PATCH", f"{path}/status", data=json.dumps({"status": status}), headers=headers)

    def play_ready(self, namespace: str, stop: Any) -> None:
        """Play scheduler and kubelet for a namespace: every pod gets a node and is ready, until told to stop."""
        self.session.post(f"{self.server}/api/v1/nodes", json={"metadata": {"name": NODE}}, timeout=30)
        while not stop.wait(0.1):
            for pod in (self.get(f"/api/v1/namespaces/{namespace}/pods") or {"items": []})["items"]:
                if "deletionTimestamp" in pod["metadata"]:
                    path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
                    self.session.delete(f"{self.server}{path}", params={"gracePeriodSeconds": "0"}, timeout=30)
                elif not pod.get("status", {}).get("conditions"):
                    self._ready(namespace, pod)

    def _ready(self, namespace: str, pod: dict[str, Any]) -> None:
        names = [container["name"] for container in pod["spec"]["containers"]]
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        conditions = [{"type": name, "status": "True"} for name in ("PodScheduled", "ContainersReady", "Ready")]
        status = {
            "phase": "Running",
            "podIP": "10.0.64.9",
            "podIPs": [{"ip": "10.0.64.9"}],
            "conditions": [{**item, "lastTransitionTime": now} for item in conditions],
            "containerStatuses": [
                {"name": name, "ready": True, "started": True, "restartCount": 0, "image": "x", "imageID": "x"}
                | {"state": {"running": {"startedAt": now}}}
                for name in names
            ],
        }
        path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
        target = {"metadata": {"name": pod["metadata"]["name"]}, "target": {"kind": "Node", "name": NODE}}
        self.session.post(f"{self.server}{path}/binding", json=target, timeout=30)
        headers = {"Content-Type": "application/merge-patch+json"}
        self.session.patch(
            f"{self.server}{path}/status", data=json.dumps({"status": status}), headers=headers, timeout=30
        )


@dataclass
class ControlPlane:
    """The running servers.

    :param folder: certificates and logs, on tmpfs.
    """

    folder: Path
    signer: Signer = field(default_factory=Signer)
    port: int = field(default_factory=free_port)
    etcd_port: int = field(default_factory=free_port)
    peer_port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def kubeconfig(self, user: str = "admin", groups: tuple[str, ...] = MASTERS, namespace: str = "") -> str:
        """Return a kubeconfig (JSON) with a client certificate of a user in groups."""
        certificate, key = self.signer.pair(user, groups)
        given = {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)}
        return self.kubeconfig_of(given, namespace)

    def kubeconfig_of(self, user: dict[str, Any], namespace: str = "") -> str:
        """Return a kubeconfig (JSON) with that user entry."""
        context = {"cluster": "test", "user": "test", **({"namespace": namespace} if namespace else {})}
        cluster = {"server": self.server, "certificate-authority-data": _base64(self.signer.pem)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        return json.dumps(config)

    def client(self, user: str = "admin", groups: tuple[str, ...] = MASTERS) -> Kube:
        """Return a client that asks as a user of groups."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self._written("ca.crt", self.signer.pem))
        certificate, key = self.signer.pair(user, groups)
        name = f"{user}-{len(groups)}"
        session.cert = (str(self._written(f"{name}.crt", certificate)), str(self._written(f"{name}.key", key)))
        return Kube(self.server, session)

    def start(self, *, controllers: bool = False) -> None:
        """Start etcd, the API server, and the controllers; return when the API is ready."""
        self._start_etcd()
        self.start_api()
        if controllers:
            self._start_controllers()

    def start_api(self) -> None:
        """Start the API server and wait until it says that it is ready."""
        certificate, key = self._pair("apiserver")
        etcd_certificate, etcd_key = self._pair("apiserver-etcd")
        self._launch(
            "kube-apiserver",
            tools.KUBERNETES,
            f"--etcd-servers=https://127.0.0.1:{self.etcd_port}",
            f"--etcd-cafile={self._written('ca.crt', self.signer.pem)}",
            f"--etcd-certfile={etcd_certificate}",
            f"--etcd-keyfile={etcd_key}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={self.folder}/ca.crt",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://control-plane.test",
            f"--service-account-key-file={self._account_key('pub')}",
            f"--service-account-signing-key-file={self._account_key('key')}",
            "--service-cluster-ip-range=10.0.80.0/20",
            "--endpoint-reconciler-type=none",
            "--shutdown-delay-duration=0s",
        )
        self._wait_ready()

    def stop(self, name: str = "kube-apiserver") -> None:
        """End one server at once: a polite API server first waits a minute for its watchers."""
        process = self.running.pop(name, None)
        if process is not None:
            process.kill()
            process.wait(30)

    def close(self) -> None:
        """Stop what runs, the API server before its store."""
        for name in reversed(list(self.running)):
            self.stop(name)

    def log(self, name: str) -> str:
        """Return what a server wrote."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def _start_etcd(self) -> None:
        certificate, key = self._pair("etcd")
        client, peer = f"https://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        self._launch(
            "etcd",
            tools.ETCD,
            f"--data-dir={self.folder}/etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            f"--cert-file={certificate}",
            f"--key-file={key}",
            "--client-cert-auth",
            f"--trusted-ca-file={self._written('ca.crt', self.signer.pem)}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )

    def _start_controllers(self) -> None:
        config = self._written("controllers.kubeconfig", self.kubeconfig("system:kube-controller-manager"))
        self._launch(
            "kube-controller-manager",
            tools.KUBERNETES,
            f"--kubeconfig={config}",
            f"--controllers={','.join(CONTROLLERS)}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=300",
            "--kube-api-burst=600",
            f"--service-account-private-key-file={self._account_key('key')}",
            f"--root-ca-file={self.folder}/ca.crt",
        )

    def _wait_ready(self) -> None:
        client, end = self.client(), time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            assert self.running["kube-apiserver"].poll() is None, self.log("kube-apiserver")[-3000:]
            try:
                if client.session.get(f"{self.server}/readyz", timeout=5).status_code == 200:
                    return
            except (requests.ConnectionError, requests.Timeout):
                pass
            time.sleep(0.1)
        pytest.fail(f"the API server wasn't ready in {START_SECONDS} s: {self.log('kube-apiserver')[-3000:]}")

    def _launch(self, name: str, tool: tools.Tool, *arguments: str) -> None:
        program = tools.folder(LabSettings.from_environment(), tool) / name
        if not program.exists():
            pytest.fail(f"{program} isn't built: `python -m lab.tools {tool.name}` builds it")
        with (self.folder / f"{name}.log").open("ab") as log:
            mortal = ["setpriv", "--pdeathsig", "KILL", program]  # a killed test run leaves no server behind
            self.running[name] = subprocess.Popen([*mortal, *arguments], stdout=log, stderr=log, cwd=self.folder)

    def _pair(self, name: str) -> tuple[Path, Path]:
        certificate, key = self.signer.pair(name)
        return self._written(f"{name}.crt", certificate), self._written(f"{name}.key", key)

    def _account_key(self, part: str) -> Path:
        if not (self.folder / "accounts.key").exists():
            key = ec.generate_private_key(ec.SECP256R1())
            public = key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            self._written("accounts.key", key_pem(key))
            self._written("accounts.pub", public.decode())
        return self.folder / f"accounts.{part}"

    def _written(self, name: str, text: str) -> Path:
        path = self.folder / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        return path


@contextmanager
def running(*, controllers: bool = False) -> Iterator[ControlPlane]:
    """Start a control plane on tmpfs and stop it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="control-plane-", dir="/dev/shm"))
    plane = ControlPlane(folder)
    try:
        plane.start(controllers=controllers)
        yield plane
    finally:
        plane.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """An API server with the controllers of workloads, namespaces and quotas."""
    with running(controllers=True) as plane:
        yield plane


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
