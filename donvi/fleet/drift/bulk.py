"""The real systems as a look at everything sees them: clients that answer from what was read in bulk.

Handlers get these in place of the clients that ask for each object, so each rule of what counts as drift keeps its one
home. A system that can't be read at all fails whoever asks it with the same error: nothing of it counts as unchanged.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar, cast

from donvi.errors import DonviError, PermissionDeniedError
from donvi.fleet.drift import cluster
from donvi.fleet.drift.machines import Plays
from donvi.provider.services import Services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from donvi.backends.directory import Directory
    from donvi.backends.dns import DnsReader
    from donvi.backends.kubernetes.lists import Lists
    from donvi.backends.machines import PlaybookResult, PlaybookRun, SshRunner
    from donvi.backends.machines.batch import Question
    from donvi.backends.mail import Doveadm
    from donvi.backends.vault import VaultClient
    from donvi.backends.vault.remembering import RememberingVault
    from donvi.deployment import Deployment
    from donvi.fleet.drift.machines import LookingSsh
    from donvi.fleet.drift.state import Resource

T = TypeVar("T")
MOST_SEARCHES = 20
TRANSFER_KEY = "backends/dns/tsig/transfer"
FUNCTIONAL = "functional"


class BulkServices(Services):
    """What handlers read from; nothing is changed by it.

    :param machines: whether machines may be asked; if not, whatever needs one is told so as a preview's token is.
    """

    def __init__(
        self,
        deployment: Deployment,
        environ: Mapping[str, str],
        cancelled: threading.Event | None = None,
        *,
        machines: bool = True,
    ) -> None:
        super().__init__(deployment, environ, cancelled)
        self.machines = machines
        self.plays = Plays(self)
        self.starting = threading.Lock()
        self.remembering: RememberingVault | None = None
        self.notices: list[str] = []
        self.seconds: dict[str, float] = {}
        self._loaded: dict[str, Future[Any]] = {}

    def load(self, resources: Sequence[Resource]) -> None:
        """Begin to read everything that the resources need, the systems side by side.

        Whoever asks a system waits until it is read, and gets its error if it couldn't be.
        """
        readers: dict[str, Callable[[Sequence[Resource]], Any]] = {
            "directory": self._read_directory,
            "mail": self._read_mail,
            "names": self._read_names,
            "cluster": self._read_cluster,
            "machines": self._read_machines,
        }
        pool = ThreadPoolExecutor(len(readers), thread_name_prefix="bulk")
        self._loaded = {name: pool.submit(self._timed, name, read, resources) for name, read in readers.items()}
        pool.shutdown(wait=False)

    def close(self) -> None:
        """Wait for what is still being read, then close every client."""
        wait(self._loaded.values())
        super().close()

    @property
    def vault(self) -> VaultClient:
        """Vault, each path read once."""

        def make() -> VaultClient:
            from donvi.backends.vault.remembering import RememberingVault

            self.remembering = RememberingVault(
                self.deployment.vault.address, self._variable("VAULT_TOKEN"), self.ca_file
            )
            return self.remembering

        return self._once("vault", make)

    @property
    def directory_read(self) -> Directory:
        """The directory as it was when it was searched."""
        return cast("Directory", self._answer("directory"))

    @property
    def directory_write(self) -> Directory:
        """Refuse: a look changes nothing."""
        raise NotImplementedError

    @property
    def doveadm(self) -> Doveadm:
        """Dovecot with the access lists that were read."""
        return cast("Doveadm", self._answer("mail"))

    @property
    def dns_reader(self) -> DnsReader:
        """The zones as they were transferred."""
        return cast("DnsReader", self._answer("names"))

    @property
    def lists(self) -> Lists | None:
        """The cluster's objects by kind; ``None`` if nothing of the cluster is declared."""
        return cast("Lists | None", self._answer("cluster"))

    @property
    def ssh(self) -> SshRunner:
        """Machines, with what many scripts printed."""
        self._answer("machines")
        return self._looking

    @property
    def _looking(self) -> LookingSsh:
        def make() -> LookingSsh:
            from donvi.fleet.drift.machines import LookingSsh

            known_hosts = self._variable("DONVI_KNOWN_HOSTS")
            return LookingSsh(self.deployment, self.vault, known_hosts, allowed=self.machines)

        return self._once("ssh", make)

    def play(self, spec: PlaybookRun, *, check: bool, timeout: float) -> PlaybookResult:
        """Return what a check of the machine found, in a run that many share."""
        return self.plays.play(spec, check=check, timeout=timeout)

    def _timed(self, name: str, read: Callable[[Sequence[Resource]], T], resources: Sequence[Resource]) -> T:
        begun = time.monotonic()
        try:
            return read(resources)
        finally:
            self.seconds[name] = time.monotonic() - begun

    def _answer(self, name: str) -> Any:
        return self._loaded[name].result()

    def _read_directory(self, resources: Sequence[Resource]) -> Any:
        from donvi.backends.directory.snapshot import Snapshot, bases, take

        wanted = [
            str(one.inputs["dn"])
            for one in resources
            if one.type.startswith(("donvi:directory:", "donvi:mail:")) and one.inputs.get("dn")
        ]
        if not wanted:
            return Snapshot(())
        # a unit's subtree lies two levels below the city's base
        depth = len(self.deployment.city_domain.split(".")) + 2
        return take(super().directory_read, bases(wanted, depth, MOST_SEARCHES))

    def _read_mail(self, resources: Sequence[Resource]) -> Any:
        addresses = [
            str(one.inputs["address"])
            for one in resources
            if one.type == "donvi:mail:Mailbox" and one.inputs.get("kind") == FUNCTIONAL
        ]
        from donvi.backends.mail.listing import ListedAccess

        key = self._secret("backends/mail/doveadm")["api_key"]
        found = self._once("doveadm", lambda: ListedAccess(self.deployment.mail.doveadm, key, self.ca_file))
        found.load(addresses)
        return found

    def _read_names(self, resources: Sequence[Resource]) -> Any:
        zones = sorted({str(one.inputs["zone"]) for one in resources if one.type == "donvi:dns:RecordSet"})
        if not zones:
            return super().dns_reader
        from donvi.backends.dns import Tsig
        from donvi.backends.dns.zone import ZoneReader

        try:
            key = self._secret(TRANSFER_KEY)
            tsig = Tsig(name=key["name"], algorithm=key["algorithm"], secret=key["secret"])
            reader = ZoneReader(self.deployment.dns.server, self.deployment.dns.port, tsig)
            for zone in zones:
                reader.transfer(zone)
        except PermissionDeniedError as error:
            self.notices.append(f"names are asked for one by one: {error.message}")
            return super().dns_reader
        return reader

    def _read_cluster(self, resources: Sequence[Resource]) -> Any:
        kinds = cluster.kinds(resources)
        if not kinds:
            return None
        from donvi.backends.kubernetes.lists import Lists

        found = Lists(self.kubernetes)
        found.load(kinds)
        for kind, error in found.refused.items():
            self.notices.append(f"objects of {kind} are read one by one: {error.message}")
        return found

    def _read_machines(self, resources: Sequence[Resource]) -> None:
        asked: dict[str, list[Question]] = {}
        for machine, question in _questions(resources):
            asked.setdefault(machine, []).append(question)
        known = [machine for machine in asked if machine in self.deployment.machines]
        ssh = self._looking
        if not known or not ssh.permitted(known[0]):
            return
        with ThreadPoolExecutor(8, thread_name_prefix="machine") as pool:
            list(pool.map(lambda machine: _quietly(lambda: ssh.load(machine, asked[machine])), known))


def _quietly(load: Callable[[], None]) -> None:
    """Let a machine that doesn't answer be named by whoever needs it."""
    try:
        load()
    except DonviError:
        return


def _questions(resources: Sequence[Resource]) -> Iterator[tuple[str, Question]]:
    """Yield what handlers are going to ask machines, with the machine; what is missing here they ask themselves."""
    from donvi.backends.machines.batch import Question
    from donvi.backends.machines.host_certificate import HOST_KEY, READ
    from donvi.backends.pki.machine import LOOK

    for one in resources:
        machine = str(one.inputs.get("machine", ""))
        if one.type == "donvi:pki:Certificate":
            certificate = str(one.inputs["key"]).rpartition("/")[2]
            yield machine, Question(LOOK, (str(one.inputs["unit"]), certificate))
        elif one.type == "donvi:machine:Configuration" and one.inputs.get("hostCertificateHours"):
            yield machine, Question(READ, (HOST_KEY,))
