"""Kubernetes' API with an administrator's client certificate, by the standard library alone."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

Object = dict[str, Any]
NOT_FOUND = 404


class Refused(Exception):  # noqa: N818 - it says what happened, not that something is an error
    """The API's refusal, in its own words."""

    def __init__(self, what: str, code: int, answer: Object) -> None:
        super().__init__(f"{what}: {answer.get('message') or code} ({answer.get('reason', code)})")
        self.code = code


class Unreachable(Exception):  # noqa: N818
    """Nobody answers at the API's address, or the files that open it aren't there."""


class Cluster:
    """One connection to the API server that a kubeconfig names.

    :param kubeconfig: written as JSON, with files for certificates and key.
    """

    def __init__(self, kubeconfig: str) -> None:
        try:
            content = json.loads(Path(kubeconfig).read_text())
            cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
            context = ssl.create_default_context(cafile=cluster["certificate-authority"])
            context.load_cert_chain(user["client-certificate"], user["client-key"])
        except OSError as error:
            raise Unreachable(f"{kubeconfig}: {error}") from error
        place = urlsplit(cluster["server"])
        self._connection = http.client.HTTPSConnection(place.netloc, context=context, timeout=30)
        self._kinds: dict[tuple[str, str], Object] = {}

    def ask(self, method: str, path: str, body: Object | None = None, **query: str) -> Object:
        """Return the API's answer.

        :raises Refused: it isn't a success.
        :raises Unreachable: there is none.
        """
        kind = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body).encode()
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            self._connection.request(method, target, data, {"Content-Type": kind, "Accept": "application/json"})
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unreachable(f"{method} {path}: {error}") from error
        try:
            answer: Object = json.loads(text)
        except ValueError:
            answer = {"message": text.decode(errors="replace")}
        if response.status >= http.client.BAD_REQUEST:
            raise Refused(f"{method} {path}", response.status, answer)
        return answer

    def path(self, thing: Object, wait: float = 0) -> str:
        """Return where an object is, or would be.

        :param wait: seconds in which its kind may still become known.
        :raises Refused: the API doesn't know its kind.
        """
        version, kind = thing["apiVersion"], thing["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        found = self._kind(root, version, kind, wait)
        meta = thing["metadata"]
        inside = f"/namespaces/{meta.get('namespace', 'default')}" if found["namespaced"] else ""
        return f"{root}{inside}/{found['name']}/{meta['name']}"

    def _kind(self, root: str, version: str, kind: str, wait: float) -> Object:
        deadline = time.monotonic() + wait
        while (version, kind) not in self._kinds:
            try:
                resources = self.ask("GET", root)["resources"]
            except Refused as error:
                if error.code != NOT_FOUND:
                    raise
                resources = []
            for resource in resources:
                if "/" not in resource["name"]:
                    self._kinds[version, resource["kind"]] = resource
            if (version, kind) not in self._kinds:
                if time.monotonic() > deadline:
                    raise Refused(f"{version} {kind}", NOT_FOUND, {"message": "the cluster doesn't know this kind"})
                time.sleep(0.2)
        return self._kinds[version, kind]

    def get(self, path: str) -> Object | None:
        """Return an object, or nothing."""
        try:
            return self.ask("GET", path)
        except Refused as error:
            if error.code == NOT_FOUND:
                return None
            raise


def same(left: Object | None, right: Object) -> bool:
    """Say whether two states of an object differ in nothing but what the API server notes on every write."""
    return left is not None and _plain(left) == _plain(right)


def _plain(thing: Object) -> Object:
    meta = {k: v for k, v in thing["metadata"].items() if k not in {"managedFields", "resourceVersion", "generation"}}
    return {**thing, "metadata": meta, "status": None}


def pending(thing: Object) -> str:
    """Return what an object that takes time to come up still waits for; nothing when it is ready."""
    kind, status, meta = thing["kind"], thing.get("status", {}), thing["metadata"]
    if kind not in {"Deployment", "DaemonSet", "CustomResourceDefinition"}:
        return ""
    words = "; ".join(c.get("message", "") for c in (status.get("conditions") or []) if c.get("status") == "False")
    if kind == "CustomResourceDefinition":
        names = {c["type"] for c in (status.get("conditions") or []) if c["status"] == "True"}
        return "" if "Established" in names else words or "it isn't established yet"
    if status.get("observedGeneration", 0) < meta["generation"]:
        return "its controller hasn't seen it yet"
    if kind == "DaemonSet":
        counts = (status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0))
        wanted = status.get("desiredNumberScheduled", 0)
    else:
        counts = (status.get("updatedReplicas", 0), status.get("availableReplicas", 0), status.get("replicas", 0))
        wanted = thing["spec"].get("replicas", 1)
    if all(count == wanted for count in counts):
        return ""
    return f"{min(counts)} of {wanted} pods ready{'; ' + words if words else ''}"
