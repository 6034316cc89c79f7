"""The pytest plugin that turns a unit's tenancy into tests: what is asked, what each test is about, what each got.

``tests/acceptance/conftest.py`` registers it when a unit is named. All systems are asked at once, in the background,
when the session starts; a test then judges one answer.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from donvi.verify.ask import (
    InconclusiveError,
    NotHereError,
    cluster,
    directory,
    mail,
    names,
    network,
    pages,
    places,
    pods,
    services,
    unit,
)
from donvi.verify.ask.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from donvi.registry import City
    from donvi.tenancy import Tenancy
    from donvi.tenancy.model import Check

ASKED: dict[str, Callable[[Context], Any]] = {
    "alive": network.ask_alive,
    "forged": network.ask_forged,
    "administrator": cluster.ask_administrator,
    "cluster": cluster.ask_cluster,
    "mail": mail.ask_mail,
    "neighbour": services.ask_neighbour,
    "probes": directory.ask_probes,
    "people": directory.ask_people,
    "reach": pods.ask_reach,
    "gateway": pages.ask_gateway,
    "aliases": directory.ask_aliases,
    "names": names.ask_names,
}


class Answers:
    """What every system answered; each is asked once."""

    def __init__(self, context: Context) -> None:
        asked = {machine.id: partial(unit.ask_machine, endpoint=machine) for machine in context.machines} | ASKED
        self._absent = {machine.id for machine in places.machines(context.tenancy)} - asked.keys()
        self.tenancy = context.tenancy
        self._pool = ThreadPoolExecutor(len(asked), thread_name_prefix="ask")
        self._running = {name: self._pool.submit(ask, context) for name, ask in asked.items()}

    def __getitem__(self, name: str) -> Any:
        """Wait for the answers of one system; an error there is raised for every test that needs them.

        :raises NotHereError: it is a machine of the unit that this lab doesn't have.
        """
        if name in self._absent:
            raise NotHereError(name)
        return self._running[name].result()

    def close(self) -> None:
        """Wait for what still runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Suite:
    """The plugin for one unit.

    :param city: its catalogue says which system a certificate belongs to.
    :param tenancy: what must be true.
    """

    def __init__(self, city: City, tenancy: Tenancy) -> None:
        self._tenancy = tenancy
        self._city = city
        self._cases = cases(city, tenancy)

    @pytest.fixture(scope="session")
    def tenancy(self) -> Tenancy:
        """What must be true."""
        return self._tenancy

    @pytest.fixture(scope="session")
    def gateway(self) -> str:
        """Name of the unit's gateway."""
        return next(machine.id for machine in places.machines(self._tenancy) if machine.role == "gateway")

    @pytest.fixture(scope="session")
    def context(self) -> Iterator[Context]:
        """Addresses and credentials of this run."""
        made = Context(self._city, self._tenancy, os.environ)
        yield made
        made.close()

    @pytest.fixture(scope="session", autouse=True)
    def answers(self, context: Context) -> Iterator[Answers]:
        """What every system answered, by the names of :data:`ASKED` and of the unit's machines."""
        asked = Answers(context)
        yield asked
        asked.close()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give a test one case per thing of the tenancy; its tuples are sorted, so the order never changes."""
        for fixture in sorted(set(metafunc.fixturenames) & set(self._cases)):
            values = self._cases[fixture]
            metafunc.parametrize(fixture, list(values.values()), ids=list(values))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Write on every test what it is about; add one for each check of the tenancy that no test covers."""
        items[:] = [item for item in items if "NOTSET" not in item.name]  # the unit has nothing it would be about
        covered = set()
        for item in items:
            system, subject = about(item)
            covered.add((system, subject))
            item.user_properties += [("system", system), ("subject", subject), ("title", title(item))]
        for check in self._tenancy.checks:
            if (check.system, check.subject) not in covered:
                items.append(Uncovered.from_parent(items[0].session, name=f"test_{check.id}", check=check))


def cases(city: City, tenancy: Tenancy) -> dict[str, dict[str, Any]]:
    """Return what tests are run with: by fixture, the values by the name that is shown."""
    owner = {rule.id: system.id for system in city.systems.values() for rule in system.certificates}
    runs = {rule.id: system.id for system in city.systems.values() for rule in system.endpoints}
    served = [
        (s.id, places.role_of(p, s.id)) for s in places.services(tenancy) for p in places.probes_of(tenancy, s.id)
    ]
    machines = {m.id: (runs[m.id.removesuffix(f"-{tenancy.unit.code}")], m) for m in places.machines(tenancy)}
    stations = {m.id: m for m in places.machines(tenancy) if m.role == "workstation"}
    flows = {
        f"{flow.id} {family}": (m, flow, family)
        for _, m in machines.values()
        for flow in network.tcp_flows(tenancy, m)
        for family in network.FAMILIES
    }
    forbidden = {
        f"{m.id} {name} {family}": (m, name, family)
        for _, m in machines.values()
        for name in (
            *(target.id for target in network.city_targets(city, tenancy, m)),
            *(f"neighbour {role}" for role in places.ROLES),
        )
        for family in network.FAMILIES
    }
    resolved = {
        f"{m.id} {r.id}": (m, r) for m in stations.values() for r in (*tenancy.dns, *unit.city_names(tenancy, m))
    }
    opened = {f"{m.id} {app.id}": (app.system, app, m) for m in stations.values() for app in pages.asks_for(tenancy, m)}
    return {
        "app": {app.id: (app.system, app) for app in tenancy.apps},
        "opened": opened,
        "space": {f"{a.system} {a.namespace}": (a.system, a.namespace) for a in tenancy.apps},
        "probe": {a.id: a for a in tenancy.accounts if a.kind == "probe"},
        "person": {a.id: a for a in tenancy.accounts if a.kind == "person"},
        "served": {" ".join(pair): pair for pair in served},
        "service": {s.id: s for s in places.services(tenancy)},
        "interface": {s.id: s for s in places.interfaces(tenancy)},
        "machine": machines,
        "guard": {name: pair for name, pair in machines.items() if pair[1].role == "gateway"},
        "flow": flows,
        "forbidden": forbidden,
        "family": {family: family for family in network.FAMILIES},
        "resolved": resolved,
        "greeted": {
            f"{m.id} {port}": (m, port) for m in stations.values() for port in network.mail_questions(tenancy, m)
        },
        "certificate": {c.id: (owner[c.id], c) for c in tenancy.certificates},
        "record": {record.id: record for record in tenancy.dns},
        "functional": {box.address: box.address for box in tenancy.mailboxes if box.kind == "functional"},
        "alias": {alias.address: alias for alias in tenancy.aliases},
    }


def about(item: pytest.Item) -> tuple[str, str]:
    """Return system and subject of a test: both from its marker, or the system from the case it is run with."""
    marker = item.get_closest_marker("about")
    if marker is None:
        msg = f"{item.nodeid} doesn't say what it is about"
        raise pytest.UsageError(msg)
    *system, subject = marker.args
    if system:
        return system[0], subject
    params = item.callspec.params  # type: ignore[attr-defined]
    whole = params.get("service", params.get("interface"))
    pair = next(
        (
            params[name]
            for name in ("served", "certificate", "machine", "guard", "app", "opened", "space")
            if name in params
        ),
        None,
    )
    return (pair[0] if whole is None and pair else whole.id), subject


def title(item: pytest.Item) -> str:
    """Return a test's name as a sentence, with what it is run with."""
    name, _, case = item.name.removeprefix("test_").partition("[")
    return name.replace("_", " ") + (f": {case[:-1]}" if case else "")


class Uncovered(pytest.Item):
    """Something that must be true and that no test judges: never taken for a pass."""

    def __init__(self, *, check: Check, **options: Any) -> None:
        super().__init__(**options)
        said = f"{check.id} is judged"
        self.user_properties += [("system", check.system), ("subject", check.subject), ("title", said)]

    def runtest(self) -> None:
        """Say that nobody knows."""
        raise InconclusiveError("no test of the acceptance suite judges this")
