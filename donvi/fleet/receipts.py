"""Receipts: proof that a stack was run, that nothing changed, and that nothing it was made of has changed since.

A receipt holds digests of all that a preview is a function of: the unit's description, the code, the playbooks, the
stack's checkpoint and that of ``platform``, the lab and the back ends' addresses, the engine and its plugins. It ends
where time itself changes the answer: at the first renewal of a certificate, or when a waiver begins or ends.

It says what a preview would say. What somebody changed by hand in a real system neither of them sees: ``donvi drift``.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from donvi.errors import DonviError
from donvi.fleet.affected import current_code
from donvi.fleet.affected.code import config_folder
from donvi.fleet.affected.data import PLATFORM, PROGRAM_READS
from donvi.fleet.locks import backend_folder
from donvi.fleet.model import Operation, Result, Status
from donvi.fleet.places import places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from donvi.registry import City

FORMAT = 1
RENEWAL = b'"renewalAt"'
_RENEWAL = re.compile(rb'"renewalAt":"([^"\\]+)"')
UNORDERED = ("dependencies", "propertyDependencies")
"""What the engine writes in another order each time."""

POSITIONS = ("sourcePosition", "stackTrace")
"""Where in the program a resource stood when it was declared last: the program's own digest says more."""

TOOLS = ("pulumi", "pulumi-language-python", "pulumi-resource-kubernetes")
"""Programs whose place on PATH decides which version runs."""

SETTINGS = (
    "DONVI_CLOCK",
    "DONVI_PLAYBOOKS",
    "PULUMI_BACKEND_URL",
    "PULUMI_OPTION_POLICY_PACK",
    "VAULT_ADDR",
)
"""Variables that decide what a run sees."""


class Receipt(msgspec.Struct, frozen=True):
    """What is known of a stack that was run without a change.

    :param digests: subject to SHA-256.
    :param states: digests of the checkpoints' files as they were, to those in ``digests``: while a file is the same to
        the byte, nobody has to look into it.
    :param valid_until: ``None`` where nothing of the stack ends.
    """

    format: int
    stack: str
    made: datetime
    digests: dict[str, str]
    valid_until: datetime | None = None
    states: dict[str, str] = {}

    def doubt(self, digests: Mapping[str, str], now: datetime) -> str:
        """Say why it doesn't count; empty when it does. Pure.

        :param digests: the subjects as they are now.
        """
        if self.format != FORMAT:
            return "it is of another version"
        differ = sorted(
            one for one in {*self.digests, *digests} if not digests.get(one) or self.digests.get(one) != digests[one]
        )
        if differ:
            return f"changed since: {', '.join(differ)}"
        if self.made > now:
            return "it was made in the future"
        return "" if self.valid_until is None or now < self.valid_until else f"ended {_said(self.valid_until)}"

    def __str__(self) -> str:
        until = f", valid until {_said(self.valid_until)}" if self.valid_until else ""
        return f"receipt of {_said(self.made)}{until}"


@dataclass
class Receipts:
    """Receipts of one state backend; asked by several threads.

    Only local files can be read fast enough to be proof: for another backend there is none, and every stack is run.

    :param policy: whether the policy pack judges; what ran without it proves nothing for a run with it.
    """

    city: City
    repository: Path
    environ: Mapping[str, str]
    policy: bool = True
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _shared: dict[str, str] = field(default_factory=dict)
    _seen: dict[str, dict[str, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def proof(self, stack: str) -> str:
        """Say by which receipt a stack needs no run; empty when there is none that counts."""
        receipt = self.read(stack)
        digests, _ = self._digests(stack, receipt)
        self._seen[stack] = digests
        return "" if receipt is None or receipt.doubt(digests, self.now()) else f"unchanged ({receipt})"

    def record(self, stack: str, result: Result) -> None:
        """Keep a receipt of a run that changed nothing and had nothing to say against it.

        What the stack was made of must be the same before and after the run: else another run came between.
        """
        before = self._seen.pop(stack, None)
        if before is None or not _quiet(result):
            return
        after, states = self._digests(stack, None)
        if not all(after.values()) or after != before:
            return
        made = self.now()
        until = valid_until(self._checkpoint(stack), self._waiver_days(), made)
        if until is None or until > made:
            _write(self._path(stack), Receipt(FORMAT, stack, made.replace(microsecond=0), after, until, states))

    def read(self, stack: str) -> Receipt | None:
        """Return a stack's receipt, counting or not; ``None`` without, or when it is damaged."""
        try:
            return msgspec.json.decode(self._path(stack).read_bytes(), type=Receipt)
        except (OSError, msgspec.DecodeError):
            return None

    def doubt(self, stack: str) -> str:
        """Say why a stack must be run; empty when its receipt counts."""
        receipt = self.read(stack)
        return "there is no receipt" if receipt is None else receipt.doubt(self._digests(stack, receipt)[0], self.now())

    def _path(self, stack: str) -> Path:
        return places(self.environ).receipts / f"{stack}.json"

    def _digests(self, stack: str, receipt: Receipt | None) -> tuple[dict[str, str], dict[str, str]]:
        """Return the subjects of a stack as they are now, and the checkpoints' files to their digests.

        A subject that can't be read is empty, which proves nothing.
        """
        with self._lock:
            if not self._shared:
                self._shared = dict(self._of_all())
        states = {}
        known = receipt.states if receipt else {}
        found = {}
        for subject, name in (("checkpoint", stack), ("platform", PLATFORM)):
            content = self._checkpoint(name)
            file = _digest(content)
            found[subject] = states[file] = known.get(file) or state_digest(content)
        config = config_folder(self.repository) / f"Pulumi.{stack}.yaml"
        return {**self._shared, **self._declared(stack), "configuration": _digest(_bytes(config)), **found}, states

    def _of_all(self) -> Iterator[tuple[str, str]]:
        """Yield what is the same for every stack; read once in a run, which uses one state of the code anyway."""
        yield "code", current_code(self.repository, self.environ).digest
        yield "city", _digest(repr([*self._program_reads(), self._policies_read()]).encode())
        deployment = self.environ.get("DONVI_DEPLOYMENT", "")
        yield "addresses", _digest(_bytes(Path(deployment)) if deployment else b"")
        try:
            lab = _bytes(backend_folder(self.environ) / "lab-id")
        except DonviError:
            lab = b""
        yield "lab", _digest(lab + repr([self.environ.get(one, "") for one in SETTINGS]).encode())
        found = [os.path.realpath(shutil.which(one, path=self.environ.get("PATH")) or "") for one in TOOLS]
        yield "engine", _digest(repr([found, self.policy]).encode())
        yield "waivers", _digest(_bytes(self._register()))

    def _program_reads(self) -> Iterator[Any]:
        for path in PROGRAM_READS:
            value: Any = self.city
            for name in path.split("."):
                value = getattr(value, name)
            yield value

    def _policies_read(self) -> str:
        from policies.city import read_city

        return repr(read_city(Path(self.city.path)))

    def _register(self) -> Path:
        from policies.waivers import register_file

        return register_file(self.environ)

    def _waiver_days(self) -> list[date]:
        """Return the days on which a waiver's word begins or ends to count."""
        from policies.register import by_id
        from policies.waivers import read_waivers

        waivers = read_waivers(self._register(), by_id())
        return [day for one in waivers for day in (one.granted, one.expires + timedelta(days=1))]

    def _declared(self, stack: str) -> dict[str, str]:
        """Return digests of what the stack is to be, and of what configures its machines."""
        from donvi.tenancy import describe, names, platform_description
        from donvi.tenancy.machines import platform_router, unit_machines

        numbers = self.city.allotments.get(stack.partition("-")[0])
        if stack == PLATFORM:
            platform = platform_description(self.city)
            return self._told(platform, [platform_router(platform).playbook])
        if numbers is None or names.stack(numbers) != stack:
            return {"description": ""}
        tenancy = describe(self.city, numbers.code)
        return self._told(tenancy, [machine.playbook for machine in unit_machines(tenancy)])

    def _told(self, description: Any, playbooks: Iterable[str]) -> dict[str, str]:
        from donvi.backends.machines import source

        folder = source.folder(self.environ)
        digests = [(one, source.digest(folder / f"{one}.yml")) for one in sorted(set(playbooks))]
        return {
            "description": _digest(msgspec.json.encode(description, order="deterministic")),
            "playbooks": _digest(repr(digests).encode()),
        }

    def _checkpoint(self, stack: str) -> bytes:
        try:
            states = backend_folder(self.environ) / ".pulumi/stacks"
        except DonviError:
            return b""
        found = list(states.glob(f"*/{stack}.json"))
        return _bytes(found[0]) if len(found) == 1 else b""


def valid_until(checkpoint: bytes, days: Iterable[date], now: datetime) -> datetime | None:
    """Return when time changes what a preview says; ``None`` when it never does. Pure.

    :param checkpoint: the stack's state: every certificate in it says when its renewal begins.
    :param days: days, in UTC, on which a waiver begins or no longer counts.
    """
    found = [datetime.fromisoformat(one.decode()) for one in _RENEWAL.findall(checkpoint)]
    if checkpoint.count(RENEWAL) != len(found) + checkpoint.count(RENEWAL + b':""'):
        return now  # one that can't be read: nothing is proven
    begins = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days)
    return min([*found, *(begin for begin in begins if begin > now)], default=None)


def _quiet(result: Result) -> bool:
    return (
        result.status is Status.DONE
        and result.failure is None
        and result.operation in {Operation.PREVIEW, Operation.UP}
        and not result.changed
        and not result.changes
        and not any(notice.severity != "info" for notice in result.notices)
    )


def state_digest(checkpoint: bytes) -> str:
    """Return a digest of what a state says; empty for one that can't be read. Pure.

    A run that changes nothing writes the same resources in another order, at another time.
    """
    try:
        latest: dict[str, Any] = msgspec.json.decode(checkpoint)["checkpoint"]["latest"]
        manifest = {key: value for key, value in latest["manifest"].items() if key != "time"}
        resources = sorted(map(_resource, latest.get("resources") or ()), key=lambda one: (one["urn"], repr(one)))
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return ""
    return _digest(msgspec.json.encode({**latest, "manifest": manifest, "resources": resources}, order="deterministic"))


def _resource(resource: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in resource.items() if key not in POSITIONS}
    for key in UNORDERED:
        value = kept.get(key)
        if isinstance(value, list):
            kept[key] = sorted(value)
        elif isinstance(value, dict):
            kept[key] = {name: sorted(urns or ()) for name, urns in value.items()}
    return kept


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _write(path: Path, receipt: Receipt) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(receipt), indent=1) + b"\n")
    draft.replace(path)


def _said(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
