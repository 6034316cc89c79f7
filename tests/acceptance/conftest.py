"""The acceptance suite of one unit: every test judges what a real system answered, none asks the provider.

    pytest tests/acceptance --unit 26506 --junitxml report.xml     # or, simpler: donvi verify 26506

All systems are asked at once when the session starts (``donvi.verify.ask``); a test then judges one answer. A test that
can't be judged, because a system is down say, is *inconclusive*: reported as not passed, with that word. What is asked
about is the unit's tenancy, so a unit with another role, mailbox or certificate has another set of tests.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from donvi.errors import DonviError
from donvi.registry import find_unit, load_city
from donvi.tenancy import describe
from donvi.verify.ask import InconclusiveError
from donvi.verify.ask.context import Context
from donvi.verify.model import CheckResult, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from donvi.registry import City
    from donvi.tenancy import Tenancy

CITY = pytest.StashKey["City"]()
TENANCY = pytest.StashKey["Tenancy"]()
MESSAGE_CHARACTERS = 600


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("donvi")
    group.addoption("--unit", required=True, help="code, slug or name of the unit")
    group.addoption("--results-fd", type=int, default=-1, help="file descriptor that gets each result as a JSON line")


def pytest_configure(config: pytest.Config) -> None:
    try:
        city = load_city()
        tenancy = describe(city, find_unit(city, config.getoption("--unit")).code)
    except DonviError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[CITY], config.stash[TENANCY] = city, tenancy
    if config.getoption("--results-fd") >= 0:
        os.set_inheritable(config.getoption("--results-fd"), False)  # noqa: FBT003


# who is asked


class Answers:
    """What every system answered; asked in the background, each once, when the session starts."""

    def __init__(self, context: Context) -> None:
        from donvi.verify.ask import directory, gateway, mail, names

        self._pool = ThreadPoolExecutor(6, thread_name_prefix="ask")
        asked: dict[str, Callable[[Context], Any]] = {
            "gateway": gateway.ask_gateway,
            "mail": mail.ask_mail,
            "neighbour": gateway.ask_neighbour,
            "probes": directory.ask_probes,
            "people": directory.ask_people,
            "names": names.ask_names,
        }
        self._running = {name: self._pool.submit(ask, context) for name, ask in asked.items()}

    def __getitem__(self, name: str) -> Any:
        """Wait for the answers of one system; an error there is raised for every test that needs them."""
        return self._running[name].result()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


@pytest.fixture(scope="session")
def context(pytestconfig: pytest.Config) -> Iterator[Context]:
    made = Context(pytestconfig.stash[TENANCY], os.environ)
    yield made
    made.close()


@pytest.fixture(scope="session", autouse=True)
def answers(context: Context) -> Iterator[Answers]:
    asked = Answers(context)
    yield asked
    asked.close()


@pytest.fixture(scope="session")
def tenancy(pytestconfig: pytest.Config) -> Tenancy:
    return pytestconfig.stash[TENANCY]


# what is asked about


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test one case per thing of the tenancy; the tenancy's tuples are sorted, so the order never changes."""
    tenancy, city = metafunc.config.stash[TENANCY], metafunc.config.stash[CITY]
    cases = _cases(tenancy, city)
    for fixture in sorted(set(metafunc.fixturenames) & set(cases)):
        values = cases[fixture]
        metafunc.parametrize(fixture, list(values.values()), ids=list(values))


def _cases(tenancy: Tenancy, city: City) -> dict[str, dict[str, Any]]:
    from donvi.verify.ask import gateway

    owner = {rule.id: system.id for system in city.systems.values() for rule in system.certificates}
    served = [(s, probe) for s in gateway.services(tenancy) for probe in gateway.probes_of(tenancy, s.id)]
    functional = [box.address for box in tenancy.mailboxes if box.kind == "functional"]
    return {
        "probe": {a.id: a for a in tenancy.accounts if a.kind == "probe"},
        "person": {a.id: a for a in tenancy.accounts if a.kind == "person"},
        "served": {f"{s.id} {gateway.role_of(p, s.id)}": (s.id, gateway.role_of(p, s.id)) for s, p in served},
        "service": {s.id: s for s in gateway.services(tenancy)},
        "interface": {s.id: s for s in gateway.interfaces(tenancy)},
        "certificate": {c.id: (owner[c.id], c) for c in tenancy.certificates},
        "record": {record.id: record for record in tenancy.dns},
        "functional": {address: address for address in functional},
        "alias": {alias.address: alias for alias in tenancy.aliases},
    }


def system_of(item: pytest.Item) -> tuple[str, str]:
    """Return what a test is about: the marker's system, or that of the case it is run with."""
    marker = item.get_closest_marker("about")
    assert marker is not None, f"{item.nodeid} doesn't say what it is about"
    if len(marker.args) == 2:
        return marker.args[0], marker.args[1]
    params = item.callspec.params
    whole = params.get("service", params.get("interface"))
    system = whole.id if whole else params.get("served", params.get("certificate"))[0]
    return system, marker.args[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write on every test what it is about, for the report; add one for what the tenancy wants and no test covers."""
    tenancy = config.stash[TENANCY]
    items[:] = [item for item in items if "NOTSET" not in item.name]  # the unit has none of what it would be about
    for item in items:
        system, subject = system_of(item)
        name, _, case = item.name.removeprefix("test_").partition("[")
        title = name.replace("_", " ") + (f": {case[:-1]}" if case else "")
        item.user_properties += [("system", system), ("subject", subject), ("title", title)]
    covered = {system_of(item) for item in items}
    for check in tenancy.checks:
        if (check.system, check.subject) not in covered:
            items.append(Uncovered.from_parent(items[0].session, name=f"test_{check.id}", check=check))


class Uncovered(pytest.Item):
    """Something that must be true and that no test judges: never taken for a pass."""

    def __init__(self, *, check: Any, **options: Any) -> None:
        super().__init__(**options)
        self.user_properties += [
            ("system", check.system),
            ("subject", check.subject),
            ("title", f"{check.id} is judged"),
        ]

    def runtest(self) -> None:
        raise InconclusiveError("no test of the acceptance suite judges this")


# what is reported


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Put the verdict into the report, and a message without a traceback: those show values."""
    report = yield
    if report.when == "call" or not report.passed:
        outcome = verdict(call, report)
        # the JUnit report reads the item's properties when the test is torn down
        item.user_properties.append(("verdict", outcome.value))
        report.user_properties = list(item.user_properties)
        if report.failed and call.excinfo is not None:
            report.longrepr = message(outcome, call.excinfo.value)
    return report


def verdict(call: pytest.CallInfo[None], report: pytest.TestReport) -> Outcome:
    """Judge a test by how it ended: only an assertion about an answer can fail, anything else is inconclusive."""
    if report.passed:
        return Outcome.PASSED
    if report.skipped:
        return Outcome.SKIPPED
    failed = call.excinfo is not None and isinstance(call.excinfo.value, AssertionError)
    return Outcome.FAILED if failed else Outcome.INCONCLUSIVE


def message(outcome: Outcome, error: BaseException) -> str:
    """Say in a line or two what was seen."""
    said = error.message if isinstance(error, DonviError) else str(error)
    if not isinstance(error, DonviError | AssertionError):
        said = f"{type(error).__name__}: {said}"
    hint = f" ({error.hint})" if isinstance(error, DonviError) and error.hint else ""
    prefix = "" if outcome is Outcome.FAILED else f"{outcome.value}: "
    return prefix + said.split("\nassert ")[0][:MESSAGE_CHARACTERS] + hint


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    about = dict(report.user_properties)
    told = report.when == "teardown" and report.passed
    if told or "verdict" not in about or RESULTS.descriptor < 0:
        return
    result = CheckResult(
        unit=RESULTS.unit,
        system=about["system"],
        subject=about["subject"],
        title=about["title"],
        outcome=Outcome(about["verdict"]),
        message=str(report.longrepr or ""),
        seconds=round(report.duration, 3),
    )
    os.write(RESULTS.descriptor, msgspec.json.encode(result) + b"\n")


class _Results:
    """Where results go as they come: report hooks aren't told the configuration."""

    descriptor = -1
    unit = ""


RESULTS = _Results()


@pytest.fixture(scope="session", autouse=True)
def about_the_unit(pytestconfig: pytest.Config, record_testsuite_property: Callable[[str, object], None]) -> None:
    unit = pytestconfig.stash[TENANCY].unit
    RESULTS.descriptor, RESULTS.unit = pytestconfig.getoption("--results-fd"), unit.code
    record_testsuite_property("unit", unit.code)
    record_testsuite_property("name", unit.name)
    record_testsuite_property("finished_at", datetime.now(UTC).isoformat(timespec="seconds"))
