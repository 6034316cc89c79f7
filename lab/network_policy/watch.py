"""Keeps one kind of object as the API has it, by a list and then a watch, again and again."""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .api import ApiError, GoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .api import Api

T = TypeVar("T")
FIRST_PAUSE = 0.2  # seconds after a failure; doubles up to the last
LAST_PAUSE = 10.0
log = logging.getLogger(__name__)


class Watch(Generic[T]):
    """The objects of one kind that ``read`` makes something of.

    :param changed: called, from the watch's own thread, whenever what ``current`` returns has become another.
    """

    def __init__(
        self, api: Api, path: str, read: Callable[[Mapping[str, Any]], T | None], changed: Callable[[], None]
    ) -> None:
        self._api, self._path, self._read, self._changed = api, path, read, changed
        self._lock = threading.Lock()
        self._found: dict[str, T] = {}
        self._versions: dict[str, str] = {}
        self.listed = threading.Event()

    def start(self) -> None:
        """Begin, in a thread that ends with the process."""
        threading.Thread(target=self._run, name=self._path, daemon=True).start()

    def current(self) -> tuple[dict[str, T], dict[str, str]]:
        """Return the objects and their resource versions, by ``namespace/name`` (or name)."""
        with self._lock:
            return dict(self._found), dict(self._versions)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        version = ""
        while True:
            try:
                version = self._follow(version) if version else self._list()
                pause = FIRST_PAUSE
            except GoneError:
                version = ""
            except ApiError as error:
                log.warning("%s; again in %.1f s", error, pause)
                version = ""
                threading.Event().wait(pause * random.uniform(0.5, 1))  # noqa: S311 not for secrets
                pause = min(pause * 2, LAST_PAUSE)

    def _list(self) -> str:
        items, version = self._api.list(self._path)
        found, versions = {}, {}
        for item in items:
            if (read := self._read(item)) is not None:
                found[_key(item)], versions[_key(item)] = read, item["metadata"]["resourceVersion"]
        with self._lock:
            other = found != self._found
            self._found, self._versions = found, versions
        self.listed.set()
        if other:
            self._changed()
        return version

    def _follow(self, version: str) -> str:
        for event in self._api.watch(self._path, version):
            item = event["object"]
            version = item["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._take(item, gone=event["type"] == "DELETED")
        return version

    def _take(self, item: Mapping[str, Any], *, gone: bool) -> None:
        key, read = _key(item), None if gone else self._read(item)
        with self._lock:
            other = self._found.get(key) != read
            if read is None:
                self._found.pop(key, None)
                self._versions.pop(key, None)
            else:
                self._found[key], self._versions[key] = read, item["metadata"]["resourceVersion"]
        if other:
            self._changed()


def _key(item: Mapping[str, Any]) -> str:
    meta = item["metadata"]
    return "/".join(filter(None, (meta.get("namespace"), meta["name"])))
