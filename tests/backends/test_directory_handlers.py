"""The handlers of directory resources, called as the provider calls them, on the real directory and the real Vault."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from donvi.backends.directory import Directory, credential_path, names
from donvi.errors import BackendError, ConflictError, PartialError, PermissionDeniedError, UnreachableError
from donvi.provider.handler import Registry
from donvi.provider.handlers.directory import AccountInputs, GroupInputs, OrganizationalUnitInputs
from donvi.tenancy import names as tenancy_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from donvi.provider.services import Services
    from tests.backends.conftest import Unit

    ServicesOf = Callable[[str], Services]

_registry = Registry()
accounts = _registry.find("donvi:directory:Account")
groups = _registry.find("donvi:directory:Group")
branches = _registry.find("donvi:directory:OrganizationalUnit")
OWN_PASSWORD = "mat-khau-moi-cua-toi-2025"


def account(unit: Unit, kind: str = "person", **changes: Any) -> AccountInputs:
    person = kind == "person"
    uid = f"nv{unit.code}001" if person else f"probe-{unit.code}-documents-clerk"
    made = AccountInputs(
        unit=unit.code,
        key=f"account/{uid}",
        dn=names.child("uid", uid, unit.branch("people" if person else "probes")),
        uid=uid,
        kind=kind,
        common_name="Nguyễn Thị Thanh",
        given_name="Thanh",
        surname="Nguyễn",
        title="Văn thư" if person else "",
        mail=f"{uid}@{unit.domain}",
        uid_number=unit.numbers + (1 if person else 900),
        credential=credential_path(unit.code, uid, person=person),
    )
    return msgspec.structs.replace(made, **changes)


def group(unit: Unit, *members: str, **changes: Any) -> GroupInputs:
    dn = names.child("cn", "documents-clerk", unit.branch("groups"))
    made = GroupInputs(unit=unit.code, key="group/documents-clerk", dn=dn, description="Văn thư", members=members)
    return msgspec.structs.replace(made, **changes)


def login(services: Services, dn: str, password: str) -> Directory:
    """Bind as somebody.

    :raises PermissionDeniedError: the directory doesn't let them in.
    """
    own = Directory(services.deployment.directory.url, dn, password, services.ca_file)
    own.check_login()
    return own


def first_password(administrator: Services, inputs: AccountInputs) -> str:
    deposit = administrator.vault.kv_read(inputs.credential)
    assert deposit is not None
    content = administrator.vault.unwrap(deposit["wrapping_token"])
    assert content["account"] == inputs.uid
    return str(content["password"])


@pytest.fixture
def administrator(services_of: ServicesOf) -> Services:
    return services_of("administrator")


@pytest.fixture
def made(services: Services, unit: Unit) -> AccountInputs:
    """A person's account."""
    accounts.create(services, account(unit))
    return account(unit)


def test_a_person_opens_the_account_with_the_first_password_and_must_change_it(
    services: Services, administrator: Services, made: AccountInputs
) -> None:
    password = first_password(administrator, made)
    with login(services, made.dn, password) as own:
        with pytest.raises(BackendError):
            own.get(made.dn)
        own.modify(made.dn, replace={"userPassword": (OWN_PASSWORD,)})
    with pytest.raises(PermissionDeniedError):
        login(services, made.dn, password)
    with login(services, made.dn, OWN_PASSWORD) as own:
        entry = own.get(made.dn)
        assert entry is not None
        assert entry.one("cn") == "Nguyễn Thị Thanh"


def test_a_first_password_can_be_unwrapped_once(administrator: Services, made: AccountInputs) -> None:
    first_password(administrator, made)
    with pytest.raises(BackendError, match="has been used or has expired"):
        first_password(administrator, made)


def test_a_probe_logs_in_with_what_the_verifier_finds_in_vault(
    services: Services, services_of: ServicesOf, unit: Unit
) -> None:
    inputs = account(unit, "probe")
    result = accounts.create(services, inputs)
    assert result.outputs["credentialIssued"] is True
    secret = services_of("verify").vault.kv_read(inputs.credential)
    assert secret is not None
    with login(services, inputs.dn, secret["password"]) as own:
        assert own.get(inputs.dn) is not None


def test_passwords_appear_neither_in_results_nor_in_logs(
    services: Services, administrator: Services, unit: Unit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    inputs = account(unit, "probe")
    result = accounts.create(services, inputs)
    found = accounts.read(services, result.id, inputs)
    secret = administrator.vault.kv_read(inputs.credential)
    assert secret is not None
    for place in (repr(result), repr(found), repr(services.directory_write), caplog.text):
        assert secret["password"] not in place


def test_updating_an_account_leaves_the_persons_own_password_alone(
    services: Services, administrator: Services, made: AccountInputs
) -> None:
    with login(services, made.dn, first_password(administrator, made)) as own:
        own.modify(made.dn, replace={"userPassword": (OWN_PASSWORD,)})
    accounts.update(services, made.dn, made, msgspec.structs.replace(made, title="Chánh Văn phòng"))
    with login(services, made.dn, OWN_PASSWORD) as own:
        entry = own.get(made.dn)
    assert entry is not None
    assert entry.one("title") == "Chánh Văn phòng"


def test_a_create_that_cant_reach_vault_is_partial_and_finished_by_the_update_that_follows(
    services: Services, administrator: Services, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = account(unit)
    directory = services.directory_write
    with monkeypatch.context() as without:
        without.setattr(services.vault, "kv_exists", _down)
        without.setattr(services.vault, "wrap", _down)
        with pytest.raises(PartialError) as caught:
            accounts.create(services, inputs)
    assert caught.value.identifier == inputs.dn
    assert caught.value.outputs["credentialIssued"] is False
    assert caught.value.outputs["entryUuid"]
    found = accounts.read(services, inputs.dn, inputs)
    assert found is not None
    assert found.outputs["credentialIssued"] is False
    assert accounts.update(services, inputs.dn, inputs, inputs).outputs["credentialIssued"] is True
    login(services, inputs.dn, first_password(administrator, inputs)).close()
    assert directory.get(inputs.dn) is not None


def _down(*_: object, **__: object) -> None:
    raise UnreachableError("Vault doesn't answer", hint="start it")


def test_a_password_that_was_deposited_but_never_set_is_replaced(
    services: Services, administrator: Services, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = account(unit, "probe")
    with monkeypatch.context() as cut:
        cut.setattr(services.directory_write, "modify", _down)
        with pytest.raises(PartialError):
            accounts.create(services, inputs)
    dead = administrator.vault.kv_read(inputs.credential)
    accounts.update(services, inputs.dn, inputs, inputs)
    alive = administrator.vault.kv_read(inputs.credential)
    assert dead is not None
    assert alive is not None
    assert alive != dead
    login(services, inputs.dn, alive["password"]).close()


def test_a_probes_lost_password_is_issued_again(services: Services, administrator: Services, unit: Unit) -> None:
    inputs = account(unit, "probe")
    accounts.create(services, inputs)
    administrator.vault.kv_delete(inputs.credential)
    accounts.update(services, inputs.dn, inputs, inputs)
    secret = administrator.vault.kv_read(inputs.credential)
    assert secret is not None
    login(services, inputs.dn, secret["password"]).close()


def test_destroy_and_up_give_a_person_the_same_account_with_the_same_password(
    services: Services, administrator: Services, made: AccountInputs
) -> None:
    before = accounts.read(services, made.dn, made)
    with login(services, made.dn, first_password(administrator, made)) as own:
        own.modify(made.dn, replace={"userPassword": (OWN_PASSWORD,)})
    accounts.delete(services, made.dn, made)
    assert accounts.read(services, made.dn, made) is None
    assert not services.vault.kv_exists(made.credential)
    for dn in (made.dn, names.retained(made.dn)):
        with pytest.raises(PermissionDeniedError):
            login(services, dn, OWN_PASSWORD)
    accounts.delete(services, made.dn, made)
    accounts.create(services, made)
    assert accounts.read(services, made.dn, made) == before
    login(services, made.dn, OWN_PASSWORD).close()


def test_somebody_who_never_logged_in_gets_another_first_password_after_coming_back(
    services: Services, administrator: Services, made: AccountInputs
) -> None:
    old = first_password(administrator, made)
    accounts.delete(services, made.dn, made)
    accounts.create(services, made)
    login(services, made.dn, first_password(administrator, made)).close()
    with pytest.raises(PermissionDeniedError):
        login(services, made.dn, old)


def test_nothing_is_left_of_a_probe(services: Services, unit: Unit) -> None:
    inputs = account(unit, "probe")
    accounts.create(services, inputs)
    accounts.delete(services, inputs.dn, inputs)
    accounts.delete(services, inputs.dn, inputs)
    assert services.directory_read.search(unit.base, names.equals("uid", inputs.uid)) == []
    assert not services.vault.kv_exists(inputs.credential)


def test_an_import_finds_exactly_what_was_declared(services: Services, unit: Unit) -> None:
    person, probe = account(unit), account(unit, "probe")
    accounts.create(services, person)
    accounts.create(services, probe)
    members = group(unit, *sorted([person.dn, probe.dn]))
    groups.create(services, members)
    branch = OrganizationalUnitInputs(
        unit=unit.code, key="ou/ou=people", dn=unit.branch("people"), description="Đơn vị thử nghiệm"
    )
    for handler, inputs in ((accounts, person), (accounts, probe), (groups, members), (branches, branch)):
        found = handler.read(services, inputs.dn, None)
        assert found is not None
        assert (found.id, found.inputs) == (inputs.dn, inputs)


def test_an_imported_entry_without_a_mark_becomes_ours_with_the_next_update(services: Services, unit: Unit) -> None:
    dn = names.child("ou", "rieng", unit.dn)
    services.directory_write.add(dn, {"objectClass": ("organizationalUnit",), "ou": ("rieng",)})
    found = branches.read(services, dn, None)
    assert found is not None
    assert found.inputs.unit == ""
    wanted = OrganizationalUnitInputs(unit=unit.code, key="ou/rieng", dn=dn, description="Riêng")
    with pytest.raises(ConflictError):
        branches.create(services, wanted)
    branches.update(services, dn, found.inputs, wanted)
    again = branches.read(services, dn, wanted)
    assert again is not None
    assert again.inputs == wanted


def test_drift_is_seen_in_what_is_read(services: Services, unit: Unit, made: AccountInputs) -> None:
    other = account(unit, "probe")
    accounts.create(services, other)
    declared = group(unit, made.dn)
    groups.create(services, declared)
    directory = services.directory_write
    directory.modify(declared.dn, replace={"member": (made.dn, other.dn)})
    directory.modify(made.dn, replace={"title": ("Chủ tịch",)})
    drifted, person = groups.read(services, declared.dn, declared), accounts.read(services, made.dn, made)
    assert drifted is not None
    assert set(drifted.inputs.members) == {made.dn, other.dn}
    assert person is not None
    assert person.inputs == msgspec.structs.replace(made, title="Chủ tịch")
    directory.delete(made.dn)
    assert accounts.read(services, made.dn, made) is None
    emptied = groups.read(services, declared.dn, declared)
    assert emptied is not None
    assert set(emptied.inputs.members) == {other.dn}


def test_members_in_another_spelling_and_order_are_no_drift(
    services: Services, unit: Unit, made: AccountInputs
) -> None:
    probe = account(unit, "probe")
    accounts.create(services, probe)
    spelled = group(unit, probe.dn.replace("ou=", "OU="), made.dn.replace(",", ", "))
    groups.create(services, spelled)
    found = groups.read(services, spelled.dn, spelled)
    assert found is not None
    assert found.inputs == spelled
    assert groups.same("members", [made.dn, probe.dn], list(spelled.members))
    assert not groups.same("members", [made.dn], list(spelled.members))


def test_an_account_that_is_renamed_keeps_its_identity(services: Services, unit: Unit, made: AccountInputs) -> None:
    before = accounts.read(services, made.dn, made)
    moved = msgspec.structs.replace(made, dn=names.child("uid", made.uid, unit.branch("probes")))
    accounts.update(services, made.dn, made, moved)
    after = accounts.read(services, made.dn, moved)
    assert before is not None
    assert after is not None
    assert after.id == moved.dn
    assert after.outputs == before.outputs


def test_a_preview_token_reads_everything_it_refreshes(
    services: Services, services_of: ServicesOf, made: AccountInputs
) -> None:
    preview = services_of("preview")
    assert accounts.read(preview, made.dn, made) == accounts.read(services, made.dn, made)
    with pytest.raises(PermissionDeniedError):
        accounts.update(preview, made.dn, made, made)


BAD = {
    "unit": ["", "2650", "26506)"],
    "key": ["", "có dấu", "x" * 300],
    "dn": ["", "uid=khac,dc=tphcm,dc=test", "nothing", "uid=nv001,ou=people"],
    "uid": ["", "*)(uid=*", "a b", "Ánh", "x" * 65, "a\0"],
    "kind": ["", "robot"],
    "common_name": ["", " ", "Nguyễn  Văn A", " A", "A\0B", "a" * 300, "e\u0302"],
    "surname": ["", "A\nB"],
    "given_name": ["A\tB"],
    "mail": ["a", "a@b", "A@b.test", "a@@b.test", "a b@c.test", "*)(mail=*@c.test", f"{'a' * 65}@b.test"],
    "uid_number": [0, -1, 2**31],
    "credential": ["", "backends/directory/write", "first-passwords/nv999"],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in BAD.items() for value in values])
def test_bad_input_is_refused_by_property_with_a_remedy(field: str, value: object) -> None:
    good = AccountInputs(
        unit="26506",
        key="account/nv001",
        dn="uid=nv001,ou=people,ou=26506,ou=units,dc=tphcm,dc=test",
        uid="nv001",
        kind="person",
        common_name="Đặng Văn Ân",
        surname="Đặng",
        uid_number=2_000_001,
        credential="first-passwords/nv001",
    )
    assert list(accounts.check(good)) == []
    failures = list(accounts.check(msgspec.structs.replace(good, **{field: value})))
    wire = {info.name: info.encode_name for info in msgspec.structs.fields(AccountInputs)}[field]
    assert wire in {failure.property for failure in failures}
    assert all(
        ";" in failure.reason or "RFC 4514" in failure.reason or "let it" in failure.reason for failure in failures
    )


def test_a_group_with_a_member_named_twice_is_refused(base: str) -> None:
    member = f"uid=nv1,ou=people,ou=26506,ou=units,{base}"
    twice = GroupInputs(unit="26506", key="g", dn=f"cn=g,{base}", members=(member, member.replace("uid", "UID")))
    assert [failure.property for failure in groups.check(twice)] == ["members"]


def test_the_tenancy_declares_the_same_places_in_vault() -> None:
    assert tenancy_names.person_credential("nv001") == credential_path("26506", "nv001", person=True)
    assert tenancy_names.probe_credential("26506", "probe-x") == credential_path("26506", "probe-x", person=False)
