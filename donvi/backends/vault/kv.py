"""Vault's key-value store (engine version 2, mounted at ``kv/``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from donvi.backends.vault.transport import MissingError, Transport, escape
from donvi.errors import BackendError, ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping

MOUNT = "kv"


class KeyValue(Transport):
    """Entries of the store; paths are given below the mount, e.g. ``probes/26506/probe-26506-documents-leader``."""

    def kv_read(self, path: str) -> dict[str, Any] | None:
        """Return the newest version of an entry, or ``None`` if there is none or it was deleted."""
        try:
            return self.get(f"{MOUNT}/data/{escape(path)}").get("data")
        except MissingError:
            return None

    def kv_write(self, path: str, data: Mapping[str, Any], *, cas: int | None = None) -> int:
        """Write a new version of an entry and return its number.

        :param cas: write only if this is the newest version; 0 writes only where nothing is.
        :raises ConflictError: ``cas`` names another version than the newest.
        """
        payload: dict[str, Any] = {"data": dict(data)}
        if cas is not None:
            payload["options"] = {"cas": cas}
        try:
            answer = self.post(f"{MOUNT}/data/{escape(path)}", payload)
        except BackendError as error:
            if cas is not None and "check-and-set" in error.message:
                raise ConflictError(
                    f"kv/{path} was written by somebody else meanwhile", hint="run the same command again"
                ) from None
            raise
        return int(answer["data"]["version"])

    def kv_exists(self, path: str) -> bool:
        """Say whether an entry exists; needs no right to read what it holds."""
        return self.find(f"{MOUNT}/metadata/{escape(path)}") is not None

    def kv_delete(self, path: str) -> None:
        """Remove an entry with all its versions."""
        self.delete(f"{MOUNT}/metadata/{escape(path)}")

    def kv_list(self, path: str) -> list[str]:
        """Return the names directly below a path, sorted; a folder's ends with a slash."""
        return self.list(f"{MOUNT}/metadata/{escape(path)}")
