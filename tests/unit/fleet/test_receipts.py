"""A stack is left alone only as long as nothing it is made of has changed, and no longer than time allows."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from donvi.fleet.model import Change, Failure, Notice, Operation, Result, Status
from donvi.fleet.receipts import Receipts, state_digest, valid_until
from donvi.registry import load_city

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parents[3]
STACK = "26506-vung-tau"
NOW = datetime(2026, 11, 24, 20, tzinfo=UTC)
RENEWAL = "2026-12-14T18:13:35Z"


class World:
    """A state backend, a lab and a city of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "pulumi"
        (self.state / ".pulumi/stacks/donvi").mkdir(parents=True)
        (self.state / "lab-id").write_text("fb80bdbcedc7fc6d\n", encoding="utf-8")
        (folder / "deployment.json").write_text('{"vault":"https://172.31.250.3:8200"}', encoding="utf-8")
        (folder / "waivers.yaml").write_text("waivers: []\n", encoding="utf-8")
        shutil.copytree(REPOSITORY / "city", folder / "city")
        self.now = NOW
        self.environ = {
            "PATH": "/usr/bin",
            "HOME": str(folder),
            "DONVI_CACHE": str(folder.parent / "cache"),
            "DONVI_DEPLOYMENT": str(folder / "deployment.json"),
            "DONVI_WAIVERS": str(folder / "waivers.yaml"),
            "PULUMI_BACKEND_URL": f"file://{self.state}",
        }
        self.checkpoint(STACK)
        self.checkpoint("platform", renewal="")

    def checkpoint(
        self, stack: str, *, renewal: str = RENEWAL, time: str = "2026-11-24T19:00:00Z", **more: Any
    ) -> None:
        outputs = {"serial": "1", "renewalAt": renewal, **more}
        latest = {"manifest": {"time": time, "magic": "x"}, "resources": [{"urn": "u", "outputs": outputs}]}
        text = json.dumps({"version": 3, "checkpoint": {"latest": latest}}, separators=(",", ":"))
        (self.state / f".pulumi/stacks/donvi/{stack}.json").write_text(text, encoding="utf-8")

    def receipts(self, **more: Any) -> Receipts:
        """As another process would have them."""
        city = load_city(self.folder / "city")
        return Receipts(city, REPOSITORY, self.environ, now=lambda: self.now, **more)

    def run(self, result: Result | None = None, stack: str = STACK, **more: Any) -> str:
        """One run of the driver: asks, runs if it must, records; returns the proof by which it didn't run."""
        receipts = self.receipts(**more)
        proof = receipts.proof(stack)
        if not proof:
            receipts.record(stack, result or unchanged(stack))
        return proof


def unchanged(stack: str = STACK, operation: Operation = Operation.PREVIEW, **more: Any) -> Result:
    return msgspec.structs.replace(Result(stack, operation, Status.DONE, counts={"same": 106}), **more)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_stack_that_was_unchanged_is_not_run_again_and_says_why(world: World) -> None:
    assert world.run() == ""
    assert world.run() == "unchanged (receipt of 2026-11-24 20:00, valid until 2026-12-14 18:13)"


@pytest.mark.parametrize(
    "result",
    [
        unchanged(counts={"same": 105, "update": 1}),
        unchanged(changes=(Change("update", "k", "u"),)),
        unchanged(status=Status.FAILED, failure=Failure("engine", "x")),
        unchanged(notices=(Notice("warning", "a waiver isn't needed", "", "waiver-needed"),)),
        unchanged(operation=Operation.REFRESH),
        unchanged(operation=Operation.DESTROY),
    ],
    ids=["changed", "changes", "failed", "warned", "refreshed", "destroyed"],
)
def test_a_run_that_changed_or_said_something_leaves_no_receipt(world: World, result: Result) -> None:
    world.run(result)
    assert world.run(result) == ""


def _file(name: str, old: str, new: str) -> Callable[[World], None]:
    def edit(world: World) -> None:
        path = world.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    ("subject", "edit"),
    [
        ("description", _file("city/contacts.csv", "+84 254 002 6506", "+84 254 002 9999")),
        ("city", _file("city/city.yaml", "ipv4_reserved: 10.0.0.0/16", "ipv4_reserved: 10.0.0.0/17")),
        ("checkpoint", lambda world: world.checkpoint(STACK, serial="2")),
        ("platform", lambda world: world.checkpoint("platform", renewal="", serial="2")),
        ("addresses", _file("deployment.json", "172.31.250.3", "172.31.250.4")),
        ("lab", _file("pulumi/lab-id", "fb80", "fb81")),
        ("lab", lambda world: world.environ.update(DONVI_CLOCK="2027-11-24T00:00:00+00:00")),
        ("waivers", _file("waivers.yaml", "waivers: []", "# remark\nwaivers: []")),
        ("engine", lambda world: world.environ.update(PATH=str(REPOSITORY / "lab/kubernetes_plugin/path"))),
    ],
)
def test_what_changed_since_ends_it_and_is_named(world: World, subject: str, edit: Callable[[World], None]) -> None:
    world.run()
    edit(world)
    assert subject in world.receipts().doubt(STACK)
    assert world.run() == ""
    assert world.run() != "", "after another run without a change it counts again"


def test_what_is_somebody_else_s_doesn_t_end_it(world: World) -> None:
    world.run()
    _file("city/contacts.csv", "+84 28 0002 6740", "+84 28 0002 9999")(world)
    world.checkpoint("26740-sai-gon")
    world.checkpoint(STACK, time="2026-11-24T19:59:59Z")
    assert world.run() != "", "the time at which a state was written says nothing"


def test_a_run_without_a_change_writes_the_same_in_another_order() -> None:
    def state(time: str, *resources: dict[str, Any]) -> bytes:
        latest = {"manifest": {"time": time, "magic": "x"}, "resources": list(resources)}
        return json.dumps({"version": 3, "checkpoint": {"latest": latest}}).encode()

    first = {"urn": "a", "dependencies": ["x", "y"], "sourcePosition": "1", "outputs": {"members": ["m", "n"]}}
    again = {"urn": "a", "dependencies": ["y", "x"], "sourcePosition": "2", "outputs": {"members": ["m", "n"]}}
    other = {"urn": "b", "propertyDependencies": {"p": ["x", "y"]}}
    turned = {"urn": "b", "propertyDependencies": {"p": ["y", "x"]}}
    same = state_digest(state("1", first, other))
    assert same == state_digest(state("2", turned, again))
    swapped = {**first, "outputs": {"members": ["n", "m"]}}
    assert same != state_digest(state("1", swapped, other)), "the order of values is theirs"
    assert same != state_digest(state("1", first))
    assert [state_digest(text) for text in (b"", b"{}", b'{"checkpoint":[]}', b"{")] == ["", "", "", ""]


def test_it_ends_when_the_first_certificate_is_due(world: World) -> None:
    world.run()
    due = datetime.fromisoformat(RENEWAL)
    world.now = due - timedelta(seconds=1)
    assert world.run() != ""
    world.now = due
    assert "ended 2026-12-14 18:13" in world.receipts().doubt(STACK)
    assert world.run() == ""
    assert world.run() == "", "a certificate that is due already proves nothing"


def test_it_ends_when_a_waiver_does(world: World) -> None:
    (world.folder / "waivers.yaml").write_text(
        "waivers:\n  - rule: image-by-digest\n    unit: '26506'\n    owner: A\n    reason: the supplier is late\n"
        "    granted: 2026-11-20\n    expires: 2026-11-30\n",
        encoding="utf-8",
    )
    world.run()
    receipt = world.receipts().read(STACK)
    assert receipt is not None
    assert receipt.valid_until == datetime(2026, 12, 1, tzinfo=UTC)


def test_a_state_that_changed_while_the_stack_was_looked_at_proves_nothing(world: World) -> None:
    receipts = world.receipts()
    assert receipts.proof(STACK) == ""
    world.checkpoint(STACK, serial="2")
    receipts.record(STACK, unchanged())
    assert world.run() == ""


def test_a_run_that_didn_t_ask_before_leaves_no_receipt(world: World) -> None:
    world.receipts().record(STACK, unchanged())
    assert world.receipts().doubt(STACK) == "there is no receipt"


def test_a_run_without_policies_proves_nothing_for_one_with_them(world: World) -> None:
    world.run(policy=False)
    assert world.run() == ""


def test_a_damaged_receipt_is_none(world: World) -> None:
    world.run()
    (path,) = (world.state / ".donvi/receipts").glob("*.json")
    path.write_text(path.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    assert world.run() == ""
    assert world.run() != ""


def test_a_stack_without_a_state_or_with_a_state_elsewhere_is_always_run(world: World) -> None:
    for stack in ("25750-phu-loi", "99999-khong-co"):
        assert world.run(stack=stack) == ""
        assert world.run(stack=stack) == ""
    world.environ |= {"PULUMI_BACKEND_URL": "postgres://db/state", "XDG_STATE_HOME": str(world.folder)}
    assert world.run() == ""
    assert world.run() == ""


def test_the_platform_has_receipts_too(world: World) -> None:
    assert world.run(stack="platform") == ""
    assert world.run(stack="platform") == "unchanged (receipt of 2026-11-24 20:00)"


def test_a_renewal_that_can_t_be_read_proves_nothing() -> None:
    assert valid_until(b'{"renewalAt":""}', [], NOW) is None
    assert valid_until(b'{"renewalAt":{"secret":1}}', [], NOW) == NOW
    assert valid_until(b"{}", [date(2026, 11, 1), date(2026, 12, 24)], NOW) == datetime(2026, 12, 24, tzinfo=UTC)
