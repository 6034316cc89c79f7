"""The cluster for a look at everything: one list per kind, then answers from memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from donvi.backends.kubernetes.objects import MANAGED_BY_LABEL, MANAGER, Kind
from donvi.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.backends.kubernetes.client import KubernetesClient

AT_ONCE = 4
Key = tuple[str, str, str, str]
"""API version, kind, namespace (empty for what lies in none), name."""


class Lists:
    """Objects of some kinds that carry donvi's mark, as they were at one moment.

    What isn't in a list may exist all the same: somebody may have taken its mark away.
    """

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._objects: dict[Key, dict[str, Any]] = {}
        self.refused: dict[str, BackendError] = {}
        """Kinds that couldn't be listed, as ``apiVersion/kind``, and why."""

    def __len__(self) -> int:
        return len(self._objects)

    def load(self, wanted: Iterable[tuple[str, str]]) -> None:
        """List kinds, given as API version and kind; what can't be listed is noted in ``refused``."""
        kinds = sorted(set(wanted))
        plurals = {version: self._client.plurals(version) for version in sorted({version for version, _ in kinds})}
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="list") as pool:
            for _ in pool.map(lambda kind: self._list(kind[0], kind[1], plurals[kind[0]].get(kind[1], "")), kinds):
                pass

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return an object, ``None`` when no list holds it."""
        return self._objects.get((api_version, kind, namespace, name))

    def _list(self, api_version: str, kind: str, plural: str) -> None:
        if not plural:
            return  # the cluster has no such kind, hence no object of it
        try:
            found = list(self._client.list(Kind(api_version, kind, plural), labels={MANAGED_BY_LABEL: MANAGER}))
        except BackendError as error:
            self.refused[f"{api_version}/{kind}"] = error
            return
        for item in found:
            metadata = item["metadata"]
            key = (api_version, kind, str(metadata.get("namespace", "")), str(metadata["name"]))
            self._objects[key] = {"apiVersion": api_version, "kind": kind, **item}
