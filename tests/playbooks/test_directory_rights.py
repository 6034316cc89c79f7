"""Who sees and writes what in the directory."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import bonsai
import pytest
from bonsai import LDAPModOp, LDAPSearchScope

if TYPE_CHECKING:
    from collections.abc import Callable

    from donvi.deployment import Deployment
    from tests.playbooks.conftest import Scratch, Vault

SUBTREE = LDAPSearchScope.SUBTREE
ALL = ["*", "+"]
SERVICES = {
    "provider-read": "backends/directory/read",
    "provider-write": "backends/directory/write",
    "mail": "backends/mail/directory",
    "systems": "backends/systems/directory",
}


@pytest.fixture(scope="module")
def service(vault: Callable[[str], Vault], bind: Callable[..., Any]) -> Callable[[str], bonsai.LDAPConnection]:
    """The directory as a service account sees it."""

    def of(name: str) -> bonsai.LDAPConnection:
        secret = vault("administrator").secret(SERVICES[name])
        return bind(secret["bind_dn"], secret["password"])

    return of


@pytest.fixture
def person(scratch: Scratch, bind: Callable[..., Any]) -> bonsai.LDAPConnection:
    return bind(scratch.account(scratch.clerk), scratch.password)


def change(connection: bonsai.LDAPConnection, dn: str, name: str, value: str) -> None:
    entry = bonsai.LDAPEntry(dn, connection)
    entry.change_attribute(name, LDAPModOp.REPLACE, value)
    entry.modify()


@pytest.mark.parametrize("name", list(SERVICES))
def test_nobody_reads_a_password(scratch: Scratch, service: Callable[[str], Any], name: str) -> None:
    found = service(name).search(scratch.dn, SUBTREE, attrlist=["userPassword", "pwdHistory", "uid"])
    assert found, f"{name} sees nothing of the unit"
    assert not [entry.dn for entry in found if "userPassword" in entry or "pwdHistory" in entry]


@pytest.mark.parametrize("name", ["provider-read", "mail", "systems"])
def test_who_only_reads_writes_nothing(scratch: Scratch, service: Callable[[str], Any], name: str) -> None:
    with pytest.raises(bonsai.InsufficientAccess):
        change(service(name), scratch.account(scratch.clerk), "mail", "x@thu.test")


def test_the_mail_server_sees_addresses_and_mailboxes_only(scratch: Scratch, service: Callable[[str], Any]) -> None:
    found = service("mail").search(scratch.dn, SUBTREE, attrlist=["*"])
    classes = {name for entry in found for name in entry["objectClass"]}
    assert "donviMailbox" in classes
    assert "donviGroup" not in classes
    accounts = [entry for entry in found if "posixAccount" in entry["objectClass"]]
    assert {name.lower() for entry in accounts for name in entry} <= {"dn", "objectclass", "uid", "mail"}


def test_the_systems_see_no_mailbox(scratch: Scratch, service: Callable[[str], Any]) -> None:
    found = service("systems").search(scratch.dn, SUBTREE, attrlist=["objectClass"])
    assert not [entry.dn for entry in found if "donviMailbox" in entry["objectClass"]]


def test_the_provider_touches_no_service_account(service: Callable[[str], Any], base: str) -> None:
    with pytest.raises(bonsai.LDAPError):
        change(service("provider-write"), f"cn=mail,ou=services,{base}", "userPassword", "x")


@pytest.mark.parametrize("branch", ["units", "retained"])
def test_the_provider_may_not_remove_a_branch(service: Callable[[str], Any], base: str, branch: str) -> None:
    with pytest.raises(bonsai.InsufficientAccess):
        service("provider-write").delete(f"ou={branch},{base}")


def test_a_person_sees_nobody_else(scratch: Scratch, person: bonsai.LDAPConnection) -> None:
    assert person.search(scratch.dn, SUBTREE, attrlist=ALL) == []
    assert person.search(scratch.account(scratch.clerk), 0, attrlist=["mail"])


def test_a_person_changes_nothing_but_the_password(scratch: Scratch, person: bonsai.LDAPConnection) -> None:
    with pytest.raises(bonsai.InsufficientAccess):
        change(person, scratch.account(scratch.clerk), "mail", "lanh-dao@thu.test")


def test_strangers_are_told_nothing(deployment: Deployment, root: str, base: str) -> None:
    client = bonsai.LDAPClient(deployment.directory.url)
    client.set_ca_cert(root)
    with pytest.raises(bonsai.LDAPError):
        client.connect(timeout=20).search(base, SUBTREE)


def test_a_first_password_opens_nothing_until_it_is_changed(
    scratch: Scratch, writer: bonsai.LDAPConnection, bind: Callable[..., Any]
) -> None:
    dn = scratch.account(scratch.newcomer)
    change(writer, dn, "pwdReset", "TRUE")
    person = bind(dn, scratch.password)
    with pytest.raises(bonsai.LDAPError, match="restricted"):
        person.search(dn, 0)
    changed = f"Mật khẩu mới {secrets.token_urlsafe(12)}"
    person.modify_password(new_password=changed, old_password=scratch.password)
    assert bind(dn, changed).search(dn, 0, attrlist=["uid"])


def test_a_locked_account_opens_nothing(
    scratch: Scratch, writer: bonsai.LDAPConnection, bind: Callable[..., Any]
) -> None:
    dn = scratch.account(scratch.newcomer)
    change(writer, dn, "pwdAccountLockedTime", "000001010000Z")
    with pytest.raises(bonsai.AuthenticationError):
        bind(dn, scratch.password)


def test_a_group_that_names_somebody_absent_is_refused(scratch: Scratch, writer: bonsai.LDAPConnection) -> None:
    group = f"cn=documents-clerk,ou=groups,{scratch.dn}"
    with pytest.raises(bonsai.LDAPError):
        change(writer, group, "member", f"uid=khong-co,ou=people,{scratch.dn}")


def test_a_short_password_is_refused(scratch: Scratch, writer: bonsai.LDAPConnection) -> None:
    with pytest.raises(bonsai.LDAPError):
        change(writer, scratch.account(scratch.other), "userPassword", "ngắn")


def test_an_empty_modification_of_a_group_stops_nothing(
    scratch: Scratch, bind: Callable[..., Any], person: bonsai.LDAPConnection
) -> None:
    """OpenLDAP 2.5's memberof overlay aborts the whole server on it; whoever can log in could send one."""
    with pytest.raises(bonsai.LDAPError, match="null modlist"):
        bonsai.LDAPEntry(f"cn=documents-clerk,ou=groups,{scratch.dn}", person).modify()
    assert bind(scratch.account(scratch.clerk), scratch.password)
