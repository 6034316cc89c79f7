"""Looks for drift in many stacks at once: reads in bulk, judges resource by resource, says what it couldn't see."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from donvi.deployment import parse, text_from_environment
from donvi.errors import DonviError, UsageError
from donvi.fleet.drift import cluster, verdict
from donvi.fleet.drift.bulk import BulkServices
from donvi.fleet.drift.machines import NotedError
from donvi.fleet.drift.model import Finding, Report, Skipped, Unread
from donvi.fleet.drift.state import PROVIDER, REFERENCE, Stack, State
from donvi.provider.adapter import Adapter
from donvi.provider.handler import Registry
from donvi.provider.handlers.machine import SECONDS, SECONDS_VARIABLE
from donvi.provider.handlers.machine import TOKEN as CONFIGURATION
from donvi.provider.services import CLOCK_VARIABLE

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date

    from donvi.fleet.drift.plugin import Plugin
    from donvi.fleet.drift.state import Resource
    from donvi.fleet.model import Change

THREADS = 24
"""More than the backends' limits together (``handler.BACKEND_LIMITS``), so that none of them waits for another."""

OWN = "donvi:"
SINGLY = ("donvi:vault:", "donvi:pki:", "donvi:kubernetes:")
Judged = tuple["Change | None", tuple[str, ...]]


@dataclass(frozen=True)
class _Item:
    """A resource of a stack, and the provider that made it."""

    stack: str
    resource: Resource
    provider: Resource | None


@dataclass
class _Place:
    """Stacks whose systems are the same ones."""

    services: BulkServices
    items: list[_Item]
    adapter: Adapter = field(init=False)
    plugins: dict[str, Plugin] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.adapter = Adapter(Registry(), lambda: self.services)

    def close(self) -> None:
        for plugin in self.plugins.values():
            plugin.close()
        self.services.close()


class Looker:
    """Compares what stacks declare with what really exists.

    :param environ: what ``donvi lab env`` prints; the token's role decides what can be seen.
    :param machines: also log in to machines: a check run of their playbooks, certificates' files.
    :param cancelled: ends the look early; what wasn't judged by then is unread.
    """

    def __init__(
        self, environ: Mapping[str, str], *, machines: bool = True, cancelled: threading.Event | None = None
    ) -> None:
        self._environ = dict(environ)
        self._machines = machines
        self._cancelled = cancelled
        self._seconds: dict[str, float] = defaultdict(float)

    def look(self, stacks: Sequence[str], on_phase: Callable[[str], None] = lambda _: None) -> Report:
        """Look at stacks; they aren't changed, and neither is their state.

        :param on_phase: called with what is being done.
        :raises UsageError: a stack doesn't exist, or the environment isn't a lab's.
        """
        begun = time.monotonic()
        on_phase("reading the state")
        state = State(self._environ)
        read = [state.read(name) for name in dict.fromkeys(stacks)]
        self._seconds["state"] = time.monotonic() - begun
        results: dict[str, Judged | DonviError] = {}
        skipped: Counter[str] = Counter()
        notices: dict[str, None] = {}
        wanted = [_Item(s.name, r, s.provider(r)) for s in read for r in s.resources if r.read and not r.delete]
        results |= self._references(state, [item for item in wanted if item.resource.external])
        items = [item for item in wanted if not item.resource.external]
        if left := sum(one.delete for stack in read for one in stack.resources):
            notices[f"{left} resources wait to be deleted by the next `up` and weren't looked at"] = None
        if not self._machines:
            skipped.update(item.resource.type for item in items if item.resource.type == CONFIGURATION)
            items = [item for item in items if item.resource.type != CONFIGURATION]
        for place in self._places(read, items):
            try:
                on_phase("reading the real systems")
                place.services.load([item.resource for item in place.items])
                on_phase("comparing")
                results |= self._judge(place, on_phase)
            finally:
                place.close()
            notices |= dict.fromkeys(place.services.notices)
            for name, seconds in place.services.seconds.items():
                self._seconds[name] += seconds
        self._seconds["total"] = time.monotonic() - begun
        return self._report(read, wanted, results, skipped, notices)

    def today(self) -> date:
        """Return the current day in UTC, or that of ``DONVI_CLOCK``."""
        injected = self._environ.get(CLOCK_VARIABLE, "")
        return (datetime.fromisoformat(injected) if injected else datetime.now(UTC)).date()

    def _places(self, stacks: Iterable[Stack], items: Iterable[_Item]) -> list[_Place]:
        texts = {stack.name: self._deployment(stack) for stack in stacks}
        parts: dict[str, list[_Item]] = {}
        for item in items:
            parts.setdefault(texts[item.stack], []).append(item)
        return [
            _Place(
                BulkServices(parse(text), self._environ, self._cancelled, machines=self._machines),
                part,
            )
            for text, part in parts.items()
        ]

    def _deployment(self, stack: Stack) -> str:
        """Return where a stack's systems are: what its provider was configured with, as the engine has it."""
        given = (one.inputs.get("deployment") for one in stack.resources if one.type == f"{PROVIDER}donvi")
        return next((text for text in given if isinstance(text, str)), "") or text_from_environment(self._environ)

    def _judge(self, place: _Place, on_phase: Callable[[str], None]) -> dict[str, Judged | DonviError]:
        results: dict[str, Judged | DonviError] = {}
        begun = time.monotonic()
        place.services.plays.collecting = True
        noted: list[_Item] = []
        with ThreadPoolExecutor(THREADS, thread_name_prefix="judge") as pool:
            # first what no bulk read answers: it is asked while they go on
            items = sorted(place.items, key=lambda item: not item.resource.type.startswith(SINGLY))
            answers = pool.map(lambda item: _judged(place, item), items)
            try:
                for item, found in zip(items, answers, strict=True):
                    if found is None:
                        noted.append(item)
                    else:
                        results[_key(item)] = found
            except BaseException:
                place.services.cancelled.set()  # what waits begins nothing any more
                raise
        self._seconds["judge"] += time.monotonic() - begun
        if noted:
            on_phase(f"checking {len(noted)} machines")
            begun = time.monotonic()
            place.services.plays.run_noted(float(self._environ.get(SECONDS_VARIABLE) or SECONDS))
            self._seconds["playbooks"] += time.monotonic() - begun
            for item in noted:
                results[_key(item)] = _judged(place, item) or UsageError("the machine wasn't checked")
        return results

    def _references(self, state: State, items: Iterable[_Item]) -> dict[str, Judged | DonviError]:
        """Judge references to other stacks by those stacks' outputs."""
        known: dict[str, dict[str, Any] | DonviError] = {}
        results: dict[str, Judged | DonviError] = {}
        for item in items:
            resource = item.resource
            name = str(resource.inputs.get("name", ""))
            if resource.type != REFERENCE:
                results[_key(item)] = UsageError(f"{resource.type} is external", hint="only a refresh judges it")
                continue
            if name not in known:
                known[name] = _outputs(state, name)
            found = known[name]
            results[_key(item)] = found if isinstance(found, DonviError) else (verdict.external(resource, found), ())
        return results

    def _report(
        self,
        stacks: Sequence[Stack],
        items: Sequence[_Item],
        results: Mapping[str, Judged | DonviError],
        skipped: Counter[str],
        notices: Iterable[str],
    ) -> Report:
        findings, unread = [], []
        for item in items:
            found = results.get(_key(item))
            if isinstance(found, DonviError):
                resource = item.resource
                unread.append(Unread(item.stack, resource.type, resource.urn, found.code, found.message, found.hint))
            elif found is not None and found[0] is not None:
                findings.append(Finding(item.stack, found[0], found[1]))
        return Report(
            stacks=tuple(stack.name for stack in stacks),
            resources=len(items),
            findings=tuple(findings),
            unread=tuple(unread),
            skipped=tuple(
                Skipped(kind, count, "machines weren't to be asked (--no-machines)") for kind, count in skipped.items()
            ),
            notices=tuple(notices),
            seconds={name: round(value, 3) for name, value in self._seconds.items()},
        )


def _key(item: _Item) -> str:
    return f"{item.stack}\0{item.resource.urn}"


def _judged(place: _Place, item: _Item) -> Judged | DonviError | None:
    """Return the verdict on a resource, or why there is none; ``None``: ask again when the machines were checked."""
    resource = item.resource
    try:
        if resource.hidden and resource.type.startswith(OWN):
            raise UsageError(f"it holds secrets: {', '.join(resource.hidden)}", hint="only a refresh can compare them")
        if resource.type.startswith(OWN):
            return verdict.read(place.adapter, resource)
        if cluster.is_object(resource.type):
            return _object(place, item)
        raise UsageError(f"{resource.type} can't be read in bulk", hint=f"`pulumi refresh -s {item.stack}` judges it")
    except NotedError:
        return None
    except DonviError as error:
        return error


def _object(place: _Place, item: _Item) -> Judged:
    lists = place.services.lists
    if lists is not None and cluster.unchanged(item.resource, lists):
        return None, ()
    return _plugin(place, item).judge(item.resource)


def _plugin(place: _Place, item: _Item) -> Plugin:
    """Return the plugin as the resource's provider is configured, started when it is first needed."""
    from donvi.fleet.drift.plugin import Plugin

    settings = item.provider.inputs if item.provider else {}
    key = json.dumps(settings, sort_keys=True)
    with place.services.starting:
        if key not in place.plugins:
            place.plugins[key] = Plugin(cluster.PACKAGE, settings, place.services.environ)
        return place.plugins[key]


def _outputs(state: State, name: str) -> dict[str, Any] | DonviError:
    try:
        outputs = dict(state.read(name.rpartition("/")[2]).outputs)
    except DonviError as error:
        return error
    return {"name": name, "outputs": outputs, "secretOutputNames": []}
