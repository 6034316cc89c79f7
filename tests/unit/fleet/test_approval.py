"""Only what was approved is applied, and only as long as it is what was seen."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from donvi.errors import DataError, UsageError
from donvi.fleet import approval as approvals
from donvi.fleet.approval import approval_of
from donvi.fleet.classes import classify
from donvi.fleet.model import Failure, Notice, Operation, Result, Status
from donvi.fleet.telling import PreviewReport
from donvi.registry import load_city
from tests.support.previews import created, deleted, previewed, three_changes
from tests.support.previews import fleet as every_unit

if TYPE_CHECKING:
    from donvi.fleet.approval import Approval


@cache
def _city() -> Any:
    return load_city(Path(__file__).parents[3] / "city")


@cache
def fleet() -> tuple[Result, ...]:
    """Four units alike, one that deletes besides, one refused, one unchanged."""
    results = every_unit(_city(), three_changes)[:7]
    gone = deleted(results[4].stack, "donvi:mail:Mailbox", "cu@x", quotaMb=1)
    results[4] = msgspec.structs.replace(results[4], changes=(*results[4].changes, gone))
    told = Notice("error", "no", "", "image-by-digest")
    results[5] = msgspec.structs.replace(results[5], status=Status.REFUSED, notices=(told,))
    results[6] = previewed(results[6].stack)
    return tuple(results)


def seen() -> Approval:
    return approval_of(PreviewReport(classify(fleet(), _city()), revision="3f2c1ab"))


def of_size(found: Approval, size: int, *, refused: bool = False) -> str:
    return next(one.digest for one in found.classes if len(one.stacks) == size and one.refused == refused)


def reason(found: Approval, result: Result) -> str:
    failure = found.objection(result)
    return failure.message if failure else ""


def test_what_was_only_seen_is_not_approved() -> None:
    assert "which nobody approved" in reason(seen(), fleet()[0])


def test_a_class_is_approved_for_its_stacks_and_no_other() -> None:
    found = seen().approve([of_size(seen(), 4)[:8]])
    assert [bool(reason(found, result)) for result in fleet()] == [False, False, False, False, True, True, False]


def test_a_preview_that_is_another_by_now_is_refused_though_its_class_would_be_the_same() -> None:
    found = seen().approve([], everything=True)
    first = fleet()[0]
    fewer = msgspec.structs.replace(first, changes=first.changes[1:], counts={"create": 1, "update": 1})
    assert "2 create, 1 update then, 1 create, 1 update now" in reason(found, fewer)
    of_another = msgspec.structs.replace(fleet()[1], stack=first.stack)
    assert "isn't the approved one any more" in reason(found, of_another)


def test_a_stack_that_was_to_stay_as_it_is_may_not_change() -> None:
    found = seen().approve([], everything=True)
    late = previewed(fleet()[6].stack, created(fleet()[6].stack, "donvi:mail:Alias", "x"))
    assert "was to stay as it is" in reason(found, late)
    assert "wasn't previewed" in reason(found, msgspec.structs.replace(late, stack="platform"))


def test_a_stack_in_which_nothing_changes_any_more_may_be_run() -> None:
    assert seen().objection(previewed(fleet()[0].stack)) is None


def test_what_a_policy_refuses_can_t_be_approved() -> None:
    found = seen()
    with pytest.raises(UsageError, match="refused or failed"):
        found.approve([of_size(found, 1, refused=True)])
    assert all(one.approved is None for one in found.approve([], everything=True).classes if one.refused)


@pytest.mark.parametrize("word", ["", "zz"])
def test_a_word_that_names_no_class_approves_nothing(word: str) -> None:
    with pytest.raises(UsageError, match="names 0 classes"):
        seen().approve([word])


def test_the_file_survives_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    found = seen().approve([], everything=True)
    approvals.write(found, path)
    assert approvals.read(path) == found
    assert list(tmp_path.iterdir()) == [path]
    path.write_text(path.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    with pytest.raises(DataError, match=r"seen\.json: no approval"):
        approvals.read(path)
    path.write_text('{"format":9,"made":{"by":"x","at":"2026-11-24T00:00:00Z"},"revision":"","classes":[]}')
    with pytest.raises(DataError, match="another version"):
        approvals.read(path)
    with pytest.raises(UsageError, match="can't be read"):
        approvals.read(tmp_path / "none.json")


def test_a_failed_preview_is_no_preview_of_nothing() -> None:
    """The driver reports the failure itself; an approval doesn't object to what changes nothing."""
    broken = Result(fleet()[0].stack, Operation.PREVIEW, Status.FAILED, failure=Failure("engine", "x"))
    assert seen().objection(broken) is None


def test_the_file_tells_a_person_what_changes() -> None:
    lines = next(one for one in seen().classes if len(one.stacks) == 4).lines
    assert any(line.startswith("+ create dns:RecordSet kho.‹domain›/A") for line in lines)
