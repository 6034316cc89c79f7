"""What goes on beside the stages of a run: builds of tools, and the cluster while the city platform is set up.

One build at a time, in the order in which stages need them; each stage waits for what it needs and no longer.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from typing import TYPE_CHECKING, Protocol, TypeVar

from lab import images, playbook, tools

if TYPE_CHECKING:
    from concurrent.futures import Future

    from lab.settings import LabSettings
    from lab.tools import Tool

T = TypeVar("T")
LOOK = 0.2  # seconds


class Notes(Protocol):
    """Where a stage says what it waits for."""

    def note(self, text: str) -> None:
        """Show what the stage is doing."""


class Background:
    """The works of one run."""

    def __init__(self, settings: LabSettings) -> None:
        self._settings = settings
        self._builds = ThreadPoolExecutor(max_workers=1)
        self._servers = ThreadPoolExecutor(max_workers=1)
        self._building = self._configuring = ""
        self._vault: Future[object] | None = None
        self._engine: Future[object] | None = None
        self._cluster_tools: Future[object] | None = None
        self._cluster: Future[int] | None = None

    def begin(self, _: Notes) -> str:
        """Start building what is missing, in the order of need."""
        cluster = [tool for tool in tools.CLUSTER if tools.unmade(self._settings, tool)]
        missing = [*tools.missing(self._settings), *cluster]
        self._vault = self._builds.submit(tools.ensure_built, self._settings, tools.OPENBAO_LDAP, self._tell)
        self._engine = self._builds.submit(tools.ensure, self._settings, self._tell)
        self._cluster_tools = self._builds.submit(self._build, tools.CLUSTER)
        self._builds.shutdown(wait=False)
        if not missing:
            return "ready"
        return f"building {', '.join(tool.name for tool in missing)} in the background"

    def vault(self, notes: Notes) -> None:
        """Wait for what Vault's configuration needs.

        :raises LabError: its build failed; so do the others below.
        """
        self._wait(self._vault, notes)

    def engine(self, notes: Notes) -> str:
        """Wait for the engine's command line."""
        self._wait(self._engine, notes)
        return ""

    def begin_cluster(self) -> None:
        """Configure the cluster's machine as soon as its programs are there; Vault must be configured."""
        self._cluster = self._servers.submit(self._configure)
        self._servers.shutdown(wait=False)

    def cluster(self, notes: Notes) -> str:
        """Wait for the cluster; return how many tasks changed something."""
        changed = self._wait(self._cluster, notes)
        return f"{changed or 0} changes"

    def _build(self, wanted: tuple[Tool, ...]) -> None:
        for tool in wanted:
            tools.ensure_built(self._settings, tool, self._tell)

    def _configure(self) -> int:
        if self._cluster_tools is not None:
            self._cluster_tools.result()
        variables = images.ensure(self._settings, self._show)
        return playbook.run(self._settings, "cluster", self._show, "-e", f"@{variables}")

    def _tell(self, text: str) -> None:
        self._building = f"{text}: minutes on a machine that never did, then cached"

    def _show(self, text: str) -> None:
        self._configuring = text

    def _wait(self, future: Future[T] | None, notes: Notes) -> T | None:
        """Wait for a work and show meanwhile what is at hand."""
        while future is not None:
            try:
                return future.result(timeout=LOOK)
            except NotYetError:
                if future.done():  # the work itself ran out of time
                    raise
                notes.note(self._configuring if future is self._cluster and self._configuring else self._building)
        return None
