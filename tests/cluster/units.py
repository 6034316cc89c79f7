"""Two units' namespaces with pods that ask and answer, on the lab's real cluster, as its administrator makes them."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from lab import access
from lab.shell import wait_until
from tests.support.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterable

NODE = "kube"
NAMESPACES = ("proof-a", "proof-b")
PODS = ("web", "client")
PORTS = (9000, 9001)
LOADED = "/run/donvi-network-policy/loaded.json"
SECONDS = 60.0
ANSWERED, SILENT = 0, 4  # exit status of tools/site/cmd/probe


class Units:
    """The namespaces; ``place`` below is ``proof-a/web``, a pod."""

    def __init__(self) -> None:
        self.lab = Lab()
        images = json.loads((self.lab.settings.home / "images.json").read_text())["donvi_images"]
        self.image: str = images["probe"]["reference"]
        self.addresses: dict[str, str] = {}
        self.service = ""

    def make(self) -> None:
        """Make both and wait until all pods run and the enforcer has heard of them."""
        self.apply(*(thing for namespace in NAMESPACES for thing in self._things(namespace)))
        for namespace in NAMESPACES:
            self.kubectl("wait", "--for=condition=Ready", "pod", "--all", f"--namespace={namespace}", "--timeout=90s")
        for place in self._places():
            namespace, name = place.split("/")
            pod = self.read(namespace, f"pod/{name}")
            self.addresses[place] = pod["status"]["podIP"]
        self.service = self.read("proof-a", "service/web")["spec"]["clusterIP"]
        known = set(self._places())
        assert wait_until(lambda: known <= set(self.loaded()["pods"]), SECONDS, 0.2), (
            "the enforcer hasn't seen the pods"
        )

    def remove(self) -> None:
        """Remove both with all that is in them."""
        self.kubectl("delete", "namespace", *NAMESPACES, "--ignore-not-found", "--timeout=90s")

    def policies(self, *policies: dict[str, Any]) -> None:
        """Put these policies in the place of all others there; return when the node has them in force."""
        for namespace in NAMESPACES:
            self.kubectl("delete", "networkpolicy", "--all", f"--namespace={namespace}")
        if policies:
            self.apply(*policies)
        wanted = self._versions()
        assert wait_until(lambda: self._ours(self.loaded()["policies"]) == wanted, SECONDS, 0.2), "not in force"

    def asks(self, source: str, target: str) -> int:
        """Let a pod try a connection; return the probe's exit status."""
        return self._run(self._exec(source, "connect", target, "1s")).returncode

    def holds(self, source: str, target: str) -> subprocess.Popen[str]:
        """Let a pod keep a connection that goes on exchanging lines; return when it does."""
        command = access.ssh_command(self.lab.settings, NODE, self._exec(source, "hold", target, "2s"))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        assert process.stdout.readline(), f"{source} can't open a connection to {target}"
        return process

    def alive(self, target: str) -> bool:
        """Say whether the target answers the node itself, whose connections no policy forbids."""
        host, port = target.rsplit(":", 1)
        return self._run(["nc", "-z", "-w", "2", host, port]).returncode == 0

    def loaded(self) -> dict[str, Any]:
        """Return what the enforcer says it has in force."""
        found: dict[str, Any] = json.loads(self.lab.on(NODE, "cat", LOADED))
        return found

    def apply(self, *things: dict[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(things)}
        self.lab.on(NODE, "kubectl", *self._admin(), "apply", "--server-side", "-f", "-", stdin=json.dumps(listed))

    def read(self, namespace: str, what: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", what, f"--namespace={namespace}", "--output=json"))
        return found

    def kubectl(self, *arguments: str) -> str:
        return self.lab.on(NODE, "kubectl", *self._admin(), *arguments)

    @staticmethod
    def _admin() -> tuple[str, ...]:
        return ("--kubeconfig=/etc/kubernetes/admin.conf",)

    def _exec(self, source: str, *arguments: str) -> list[str]:
        namespace, pod = source.split("/")
        return ["kubectl", *self._admin(), "exec", f"--namespace={namespace}", pod, "--", "/bin/probe", *arguments]

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            access.ssh_command(self.lab.settings, NODE, command), capture_output=True, text=True, check=False
        )

    def _versions(self) -> dict[str, str]:
        items = json.loads(self.kubectl("get", "networkpolicies", "--all-namespaces", "--output=json"))["items"]
        versions = {
            f"{item['metadata']['namespace']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for item in items
        }
        return self._ours(versions)

    @staticmethod
    def _ours(versions: dict[str, str]) -> dict[str, str]:
        return {name: version for name, version in versions.items() if name.split("/")[0] in NAMESPACES}

    @staticmethod
    def _places() -> Iterable[str]:
        return (f"{namespace}/{name}" for namespace in NAMESPACES for name in PODS)

    def _things(self, namespace: str) -> Iterable[dict[str, Any]]:
        labels = {"proof": namespace, "pod-security.kubernetes.io/enforce": "restricted"}
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
        meta = {"name": "probe", "namespace": namespace}
        yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta, "automountServiceAccountToken": False}
        for name in PODS:
            yield {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
                "spec": self._spec(),
            }
        ports = [{"name": "ask", "port": 80, "targetPort": PORTS[0]}]
        spec = {"selector": {"app": "web"}, "ports": ports}
        yield {"apiVersion": "v1", "kind": "Service", "metadata": {**meta, "name": "web"}, "spec": spec}

    def _spec(self) -> dict[str, Any]:
        return {
            "serviceAccountName": "probe",
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "probe",
                    "image": self.image,
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["listen", *(f":{port}" for port in PORTS)],
                    "ports": [{"name": "ask", "containerPort": PORTS[0]}],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "resources": {"limits": {"cpu": "100m", "memory": "32Mi"}},
                }
            ],
        }


def policy(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    """Return a NetworkPolicy of all pods of a namespace, unless ``spec`` chooses."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"podSelector": {}, **spec},
    }
