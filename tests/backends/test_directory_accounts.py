"""Accounts and groups on the real directory: made, found again, moved, retired, brought back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from donvi.backends.directory import (
    AccountSpec,
    ContainerSpec,
    Directory,
    GroupSpec,
    Mark,
    ensure_account,
    ensure_container,
    ensure_group,
    mark_of,
    names,
    remove_account,
    remove_container,
    remove_group,
    retire_account,
)
from donvi.errors import BackendError, ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.backends.conftest import Unit

LOCK = "pwdAccountLockedTime"


def person(unit: Unit, number: int = 1, *, uid: str = "", **changes: object) -> AccountSpec:
    uid = uid or f"nv{unit.code}{number:03}"
    values: dict[str, object] = {
        "dn": names.child("uid", uid, unit.branch("people")),
        "uid": uid,
        "person": True,
        "common_name": "Đặng Thị Ánh Nguyệt",
        "given_name": "Nguyệt",
        "surname": "Đặng",
        "title": "Văn thư",
        "mail": f"{uid}@{unit.domain}",
        "uid_number": unit.numbers + number,
        "mark": Mark(unit.code, f"account/{uid}"),
    }
    return AccountSpec(**{**values, **changes})  # type: ignore[arg-type]


def group(unit: Unit, *members: str, name: str = "documents-clerk") -> GroupSpec:
    dn = names.child("cn", name, unit.branch("groups"))
    return GroupSpec(dn=dn, description="Văn thư", members=members, mark=Mark(unit.code, f"group/{name}"))


def members(directory: Directory, dn: str) -> set[str]:
    entry = directory.get(dn)
    assert entry is not None
    return {names.normal(member) for member in entry.all("member")}


def test_an_account_holds_what_was_declared_in_vietnamese(directory: Directory, unit: Unit) -> None:
    spec = person(unit)
    entry = ensure_account(directory, spec)
    assert entry.one("cn") == "Đặng Thị Ánh Nguyệt"
    assert entry.one("title") == "Văn thư"
    assert entry.one("uidNumber") == str(spec.uid_number)
    assert mark_of(entry) == spec.mark


def test_making_an_account_again_changes_nothing(directory: Directory, unit: Unit) -> None:
    first = ensure_account(directory, person(unit))
    assert ensure_account(directory, person(unit)) == first


def test_what_was_changed_by_hand_is_enforced_and_what_the_person_wrote_is_left_alone(
    directory: Directory, unit: Unit
) -> None:
    spec = person(unit)
    ensure_account(directory, spec)
    directory.modify(spec.dn, replace={"title": ("Chủ tịch",), "telephoneNumber": ("0254 123",)})
    entry = ensure_account(directory, spec)
    assert entry.one("title") == "Văn thư"
    assert entry.one("telephoneNumber") == "0254 123"


def test_an_attribute_that_is_no_longer_declared_goes(directory: Directory, unit: Unit) -> None:
    ensure_account(directory, person(unit))
    assert ensure_account(directory, person(unit, title="", given_name="")).all("title") == ()


def test_an_entry_of_somebody_else_is_never_taken(directory: Directory, unit: Unit) -> None:
    spec = person(unit)
    ensure_account(directory, spec)
    with pytest.raises(ConflictError) as caught:
        ensure_account(directory, person(unit, mark=Mark(unit.code, "account/other")))
    assert f"pulumi import donvi:directory:Account NAME '{spec.dn}'" in caught.value.hint
    with pytest.raises(ConflictError):
        retire_account(directory, spec.dn, Mark("90000", "account/x"))
    assert directory.get(spec.dn) is not None


def test_two_writers_at_once_end_in_the_same_place(directory: Directory, unit: Unit) -> None:
    spec = person(unit)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ensure_account(directory, spec), range(8)))
    assert len({entry.one("entryUUID") for entry in made}) == 1
    ensure_group(directory, group(unit))
    wanted = group(unit, spec.dn)
    with ThreadPoolExecutor(8) as pool:
        groups = list(pool.map(lambda _: ensure_group(directory, wanted), range(8)))
    assert {entry.all("member") for entry in groups} == {(spec.dn,)}


def test_a_retired_account_is_kept_locked_and_out_of_every_group(directory: Directory, unit: Unit) -> None:
    spec, other = person(unit), person(unit, 2)
    made = ensure_account(directory, spec)
    ensure_account(directory, other)
    ensure_group(directory, group(unit, spec.dn, other.dn))
    ensure_group(directory, group(unit, spec.dn, name="tthc-receive"))
    retire_account(directory, spec.dn, spec.mark)
    assert directory.get(spec.dn) is None
    kept = directory.get(names.retained(spec.dn))
    assert kept is not None
    assert kept.one("entryUUID") == made.one("entryUUID")
    assert kept.one(LOCK) == "000001010000Z"
    assert kept.all("memberOf") == ()
    assert members(directory, group(unit).dn) == {names.normal(other.dn)}
    assert members(directory, group(unit, name="tthc-receive").dn) == set()
    retire_account(directory, spec.dn, spec.mark)


@pytest.mark.parametrize("cut", ["locked", "moved"])
def test_a_retirement_that_was_cut_short_is_finished_by_the_next(directory: Directory, unit: Unit, cut: str) -> None:
    spec = person(unit)
    ensure_account(directory, spec)
    ensure_group(directory, group(unit, spec.dn))
    directory.modify(spec.dn, replace={LOCK: ("000001010000Z",)})
    if cut == "moved":
        directory.rename(spec.dn, names.retained(spec.dn))
    retire_account(directory, spec.dn, spec.mark)
    kept = directory.get(names.retained(spec.dn))
    assert kept is not None
    assert kept.one(LOCK)
    assert members(directory, group(unit).dn) == set()


def test_a_retired_account_comes_back_as_the_same_entry_unlocked(directory: Directory, unit: Unit) -> None:
    spec = person(unit)
    made = ensure_account(directory, spec)
    retire_account(directory, spec.dn, spec.mark)
    back = ensure_account(directory, spec)
    assert back.one("entryUUID") == made.one("entryUUID")
    entry = directory.get(spec.dn)
    assert entry is not None
    assert entry.all(LOCK) == ()
    assert directory.get(names.retained(spec.dn)) is None


def test_a_person_moves_to_another_unit_once_the_first_has_let_go(
    directory: Directory, new_unit: Callable[[], Unit]
) -> None:
    first, second = new_unit(), new_unit()
    spec = person(first)
    there = person(second, uid=spec.uid)
    made = ensure_account(directory, spec)
    with pytest.raises(ConflictError, match=f"of unit {first.code}") as caught:
        ensure_account(directory, there)
    assert "roster" in caught.value.hint
    retire_account(directory, spec.dn, spec.mark)
    moved = ensure_account(directory, there)
    assert moved.one("entryUUID") == made.one("entryUUID")
    assert mark_of(moved) == there.mark
    retire_account(directory, spec.dn, spec.mark)
    assert directory.get(there.dn) is not None, "the first unit's second goodbye doesn't touch the second's account"
    with pytest.raises(ConflictError, match=f"of unit {second.code}"):
        ensure_account(directory, spec)


def test_a_renamed_branch_keeps_the_account_and_its_groups(directory: Directory, unit: Unit) -> None:
    spec = person(unit)
    made = ensure_account(directory, spec)
    ensure_group(directory, group(unit, spec.dn))
    there = person(unit, dn=names.child("uid", spec.uid, unit.branch("probes")))
    moved = ensure_account(directory, there, {spec.mark})
    assert moved.one("entryUUID") == made.one("entryUUID")
    assert members(directory, group(unit).dn) == {names.normal(there.dn)}


def test_a_probes_account_is_removed_for_good(directory: Directory, unit: Unit) -> None:
    uid = f"probe-{unit.code}-documents-clerk"
    dn = names.child("uid", uid, unit.branch("probes"))
    spec = person(unit, uid=uid, person=False, dn=dn)
    ensure_account(directory, spec)
    ensure_group(directory, group(unit, spec.dn))
    remove_account(directory, spec.dn, spec.mark)
    remove_account(directory, spec.dn, spec.mark)
    assert directory.search(unit.base, names.equals("uid", uid)) == []
    assert members(directory, group(unit).dn) == set()


def test_a_groups_members_are_exactly_those_declared(directory: Directory, unit: Unit) -> None:
    people = [person(unit, number) for number in (1, 2, 3)]
    for spec in people:
        ensure_account(directory, spec)
    ensure_group(directory, group(unit, people[0].dn, people[1].dn))
    directory.modify(group(unit).dn, replace={"member": (people[2].dn,)})
    ensure_group(directory, group(unit, people[1].dn.upper().replace("UID", "uid"), people[0].dn))
    assert members(directory, group(unit).dn) == {names.normal(people[0].dn), names.normal(people[1].dn)}
    entry = directory.get(people[0].dn)
    assert entry is not None
    assert [names.normal(one) for one in entry.all("memberOf")] == [names.normal(group(unit).dn)]
    remove_group(directory, group(unit).dn, group(unit).mark)
    remove_group(directory, group(unit).dn, group(unit).mark)


def test_a_member_that_doesnt_exist_is_named_with_its_group(directory: Directory, unit: Unit) -> None:
    spec = person(unit)
    ensure_account(directory, spec)
    missing = names.child("uid", "nobody", unit.branch("people"))
    with pytest.raises(BackendError) as caught:
        ensure_group(directory, group(unit, spec.dn, missing))
    assert missing in caught.value.message
    assert group(unit).dn in caught.value.message
    assert spec.dn not in caught.value.message


def test_a_branch_with_entries_that_nobody_declared_isnt_removed(directory: Directory, unit: Unit) -> None:
    spec = person(unit)
    ensure_account(directory, spec)
    mark = Mark(unit.code, "ou/ou=people")
    with pytest.raises(ConflictError, match=spec.uid):
        remove_container(directory, unit.branch("people"), mark)
    retire_account(directory, spec.dn, spec.mark)
    remove_container(directory, unit.branch("people"), mark)
    remove_container(directory, unit.branch("people"), mark)
    assert directory.get(unit.branch("people")) is None


def test_a_branch_made_by_hand_isnt_adopted(directory: Directory, unit: Unit) -> None:
    dn = names.child("ou", "rieng", unit.dn)
    directory.add(dn, {"objectClass": ("organizationalUnit",), "ou": ("rieng",)})
    spec = ContainerSpec(dn=dn, description="", mark=Mark(unit.code, "ou/rieng"))
    with pytest.raises(ConflictError, match="no owner mark"):
        ensure_container(directory, spec)
    adopted = ensure_container(directory, spec, {Mark("", ""), spec.mark})
    assert mark_of(adopted) == spec.mark
