"""Vault for a look at everything: each path is read once, whoever asks, and nothing is changed.

Vault has no read of many objects; what can be shared is shared (a mount's CRL, the login methods, an archive's list),
and a pool of connections is kept busy.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from donvi.backends.vault.client import VaultClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

READS = frozenset({"get", "list"})
T = TypeVar("T")


class RememberingVault(VaultClient):
    """A client that remembers every answer, refusals included, for its own life.

    Only what is asked with ``get`` and ``list`` is remembered; signing a key for this run's own login goes through.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._answers: dict[tuple[str, str], Future[Any]] = {}
        self._remembering = threading.Lock()

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Everything that was read so far, as method and path."""
        return list(self._answers)

    def request(
        self, method: str, path: str, payload: Mapping[str, Any] | None = None, *, wrap_ttl: int = 0
    ) -> dict[str, Any]:
        """Exchange a request, or return what the same one answered before; see :class:`Transport`."""
        if method not in READS or payload or wrap_ttl:
            return super().request(method, path, payload, wrap_ttl=wrap_ttl)
        return self._once(method, path, lambda: super(RememberingVault, self).request(method, path))

    def raw(self, path: str) -> bytes:
        """Read a path that answers with something other than JSON."""
        return self._once("raw", path, lambda: super(RememberingVault, self).raw(path))

    def pki_revoked(self, mount: str) -> frozenset[str]:
        """Return the serials on a mount's published CRL, which is parsed once."""
        return self._once("revoked", mount, lambda: super(RememberingVault, self).pki_revoked(mount))

    def _once(self, method: str, path: str, ask: Callable[[], T]) -> T:
        with self._remembering:
            known = self._answers.get((method, path))
            if known is None:
                mine: Future[T] = Future()
                self._answers[method, path] = mine
        if known is not None:
            answer: T = known.result()
            return answer
        try:
            found = ask()
        except BaseException as error:
            mine.set_exception(error)
            raise
        mine.set_result(found)
        return found
