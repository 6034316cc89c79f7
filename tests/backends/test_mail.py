"""Mailboxes and aliases on the real Postfix and Dovecot: mail arrives, readers read, retention keeps."""

from __future__ import annotations

import imaplib
import smtplib
import socket
import ssl
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from donvi.backends.directory import credential_path, names
from donvi.backends.mail import Doveadm, real_readers
from donvi.errors import BackendError, ConflictError, PartialError, PermissionDeniedError, UnreachableError
from donvi.provider.handler import Registry
from donvi.provider.handlers.directory import AccountInputs
from donvi.provider.handlers.mail import AliasInputs, MailboxInputs
from tests.support.ca import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from donvi.provider.services import Services
    from tests.backends.conftest import Unit

_registry = Registry()
accounts = _registry.find("donvi:directory:Account")
mailboxes = _registry.find("donvi:mail:Mailbox")
aliases = _registry.find("donvi:mail:Alias")
OUTSIDER = "nguoi.dan@example.org"
SECONDS = 10.0


class Member:
    """A probe with a mailbox, who can log in at once."""

    def __init__(self, services: Services, administrator: Services, unit: Unit, number: int = 1) -> None:
        uid = f"probe-{unit.code}-mail-{number}"
        self.address = f"{uid}@{unit.domain}"
        account = AccountInputs(
            unit=unit.code,
            key=f"account/{uid}",
            dn=names.child("uid", uid, unit.branch("probes")),
            uid=uid,
            kind="probe",
            common_name="Thăm dò thư",
            surname="Thăm dò",
            mail=self.address,
            uid_number=unit.numbers + 900 + number,
            credential=credential_path(unit.code, uid, person=False),
        )
        accounts.create(services, account)
        secret = administrator.vault.kv_read(account.credential)
        assert secret is not None
        self.password = str(secret["password"])
        self.mailbox = mailbox(unit, self.address, kind="probe", owner_dn=account.dn, quota_mb=5)
        mailboxes.create(services, self.mailbox)


def mailbox(unit: Unit, address: str, **changes: Any) -> MailboxInputs:
    made = MailboxInputs(
        unit=unit.code,
        key=f"mailbox/{address.split('@', maxsplit=1)[0]}",
        dn=names.child("mail", address, unit.branch("mail")),
        address=address,
        kind="functional",
        display_name="Ủy ban nhân dân – Đơn vị thử nghiệm",
        quota_mb=20,
    )
    return msgspec.structs.replace(made, **changes)


def alias(unit: Unit, local: str, target: str) -> AliasInputs:
    address = f"{local}@{unit.domain}"
    dn = names.child("mail", address, unit.branch("mail"))
    return AliasInputs(unit=unit.code, key=f"alias/{local}", dn=dn, address=address, target=target)


@pytest.fixture
def administrator(services_of: Callable[[str], Services]) -> Services:
    return services_of("administrator")


@pytest.fixture
def member(services: Services, administrator: Services, unit: Unit) -> Member:
    return Member(services, administrator, unit)


@contextmanager
def imap(services: Services, who: Member, folder: str = "INBOX") -> Iterator[imaplib.IMAP4_SSL]:
    host, port = services.deployment.mail.imap.rsplit(":", 1)
    context = ssl.create_default_context(cafile=services.ca_file)
    with imaplib.IMAP4_SSL(host, int(port), ssl_context=context, timeout=SECONDS) as link:
        link.login(who.address, who.password)
        status, answer = link.select(f'"{folder}"')
        if status != "OK":
            raise imaplib.IMAP4.error(answer)
        yield link


def send(services: Services, recipient: str) -> str:
    """Send a message as somebody outside and return the token it holds.

    :raises smtplib.SMTPRecipientsRefused: the recipient isn't taken.
    """
    token = uuid.uuid4().hex
    host, port = services.deployment.mail.smtp.rsplit(":", 1)
    with smtplib.SMTP(host, int(port), local_hostname="outside.example.org", timeout=SECONDS) as link:
        link.starttls(context=ssl.create_default_context(cafile=services.ca_file))
        link.sendmail(OUTSIDER, [recipient], f"Subject: {token}\r\n\r\nKính gửi\r\n".encode())
    return token


def arrives(link: imaplib.IMAP4_SSL, token: str) -> bool:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        link.noop()
        if link.search(None, "SUBJECT", token)[1][0]:
            return True
        time.sleep(0.05)
    return False


def refusal(services: Services, recipient: str) -> int:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        send(services, recipient)
    return int(caught.value.recipients[recipient][0])


def test_mail_to_a_mailbox_and_to_its_alias_is_read(services: Services, unit: Unit, member: Member) -> None:
    old = alias(unit, "dia-chi-cu", member.address)
    aliases.create(services, old)
    aliases.create(services, old)
    with imap(services, member) as link:
        assert arrives(link, send(services, member.address))
        assert arrives(link, send(services, old.address))
    aliases.delete(services, old.dn, old)
    aliases.delete(services, old.dn, old)
    assert refusal(services, old.address) == 550


def test_a_given_up_mailbox_takes_no_mail_and_comes_back_with_all_it_had(services: Services, member: Member) -> None:
    before = mailboxes.read(services, member.mailbox.dn, member.mailbox)
    with imap(services, member) as link:
        token = send(services, member.address)
        assert arrives(link, token)
    mailboxes.delete(services, member.mailbox.dn, member.mailbox)
    mailboxes.delete(services, member.mailbox.dn, member.mailbox)
    assert mailboxes.read(services, member.mailbox.dn, member.mailbox) is None
    assert refusal(services, member.address) == 550
    mailboxes.create(services, member.mailbox)
    assert mailboxes.read(services, member.mailbox.dn, member.mailbox) == before
    with imap(services, member) as link:
        assert arrives(link, token)


def test_somebody_elses_retained_mail_is_never_given_away(services: Services, member: Member) -> None:
    mailboxes.delete(services, member.mailbox.dn, member.mailbox)
    with pytest.raises(ConflictError, match="belongs to unit"):
        mailboxes.create(services, msgspec.structs.replace(member.mailbox, key="mailbox/khac"))


def test_a_functional_mailbox_is_read_by_its_readers_only(
    services: Services, administrator: Services, unit: Unit, member: Member
) -> None:
    stranger = Member(services, administrator, unit, 2)
    shared = mailbox(unit, f"ubnd@{unit.domain}", readers=(member.address,))
    mailboxes.create(services, shared)
    token = send(services, shared.address)
    with imap(services, member, f"shared/{shared.address}") as link:
        assert arrives(link, token)
    with pytest.raises(imaplib.IMAP4.error), imap(services, stranger, f"shared/{shared.address}"):
        pass
    changed = msgspec.structs.replace(shared, readers=(stranger.address,))
    mailboxes.update(services, shared.dn, shared, changed)
    with imap(services, stranger, f"shared/{shared.address}") as link:
        assert arrives(link, token)
    with pytest.raises(imaplib.IMAP4.error), imap(services, member, f"shared/{shared.address}"):
        pass


def test_readers_granted_or_revoked_by_hand_are_drift_and_repaired(
    services: Services, unit: Unit, member: Member
) -> None:
    shared = mailbox(unit, f"motcua@{unit.domain}", readers=(member.address,))
    mailboxes.create(services, shared)
    intruder = f"ke-gian@{unit.domain}"
    services.doveadm.acl_set(shared.address, f"user={intruder}", frozenset({"lookup", "read"}))
    drifted = mailboxes.read(services, shared.dn, shared)
    assert drifted is not None
    assert any(intruder in reader for reader in drifted.inputs.readers)
    mailboxes.update(services, shared.dn, drifted.inputs, shared)
    services.doveadm.acl_delete(shared.address, f"user={member.address}")
    drifted = mailboxes.read(services, shared.dn, shared)
    assert drifted is not None
    assert drifted.inputs.readers == ()
    mailboxes.update(services, shared.dn, drifted.inputs, shared)
    repaired = mailboxes.read(services, shared.dn, shared)
    assert repaired is not None
    assert repaired.inputs == shared
    services.directory_write.modify(shared.dn, replace={"donviMailReader": (intruder,)})
    drifted = mailboxes.read(services, shared.dn, shared)
    assert drifted is not None
    assert drifted.inputs.readers == (intruder,)


def test_readers_are_gone_from_a_mailbox_that_was_given_up(services: Services, unit: Unit, member: Member) -> None:
    shared = mailbox(unit, f"ubnd@{unit.domain}", readers=(member.address,))
    mailboxes.create(services, shared)
    mailboxes.delete(services, shared.dn, shared)
    mailboxes.create(services, msgspec.structs.replace(shared, readers=()))
    assert real_readers(services.doveadm, shared.address) == ()


def test_the_declared_quota_is_what_dovecot_enforces(services: Services, member: Member) -> None:
    assert services.doveadm.quota_mb(member.address) == 5
    mailboxes.update(services, member.mailbox.dn, member.mailbox, msgspec.structs.replace(member.mailbox, quota_mb=7))
    assert services.doveadm.quota_mb(member.address) == 7


def test_an_import_finds_exactly_what_was_declared(services: Services, unit: Unit, member: Member) -> None:
    shared = mailbox(unit, f"ubnd@{unit.domain}", readers=(member.address,))
    mailboxes.create(services, shared)
    old = alias(unit, "dia-chi-cu", shared.address)
    aliases.create(services, old)
    for handler, inputs in ((mailboxes, shared), (mailboxes, member.mailbox), (aliases, old)):
        found = handler.read(services, inputs.dn, None)
        assert found is not None
        assert (found.id, found.inputs) == (inputs.dn, inputs)


def test_a_mailbox_whose_readers_cant_be_granted_is_partial_and_finished_later(
    services: Services, unit: Unit, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = mailbox(unit, f"ubnd@{unit.domain}", readers=(member.address,))
    with socket.socket() as taken, monkeypatch.context() as down:
        taken.bind(("127.0.0.1", 0))
        down.setattr(services.doveadm, "url", f"https://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(PartialError, match="readers can't open it") as caught:
            mailboxes.create(services, shared)
    assert caught.value.identifier == shared.dn
    mailboxes.update(services, shared.dn, shared, shared)
    assert real_readers(services.doveadm, shared.address) == (member.address,)


def test_a_preview_token_can_refresh_mailboxes(
    services: Services, services_of: Callable[[str], Services], unit: Unit, member: Member
) -> None:
    shared = mailbox(unit, f"ubnd@{unit.domain}", readers=(member.address,))
    mailboxes.create(services, shared)
    found = mailboxes.read(services_of("preview"), shared.dn, shared)
    assert found is not None
    assert found.inputs == shared


def test_an_address_is_a_mailbox_or_an_alias_and_never_both(services: Services, unit: Unit, member: Member) -> None:
    with pytest.raises(ConflictError):
        aliases.create(services, alias(unit, member.address.split("@", maxsplit=1)[0], f"ubnd@{unit.domain}"))


def test_dovecot_that_is_down_or_strange_is_reported_at_once(services: Services, tmp_path: Path) -> None:
    began = time.monotonic()
    other = tmp_path / "other.crt"
    other.write_text(Authority("Another root").pem)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        down = Doveadm(f"https://127.0.0.1:{taken.getsockname()[1]}", "khoá", services.ca_file)
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1"):
            down.acl_get("a@b.test")
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        Doveadm(services.deployment.mail.doveadm, "khoá", str(other)).acl_get("a@b.test")
    with pytest.raises(PermissionDeniedError) as denied:
        Doveadm(services.deployment.mail.doveadm, "khoá", services.ca_file).acl_get("a@b.test")
    assert "khoá" not in str(denied.value)
    with pytest.raises(BackendError, match="doesn't know nobody@"):
        services.doveadm.acl_get("nobody@tphcm.test")
    assert time.monotonic() - began < 5


GOOD = MailboxInputs(
    unit="26506",
    key="mailbox/ubnd",
    dn="mail=ubnd@vung-tau.tphcm.test,ou=mail,ou=26506,ou=units,dc=tphcm,dc=test",
    address="ubnd@vung-tau.tphcm.test",
    kind="functional",
    quota_mb=100,
)


@pytest.mark.parametrize(
    ("changes", "property_name"),
    [
        ({"quota_mb": 0}, "quotaMb"),
        ({"quota_mb": -1}, "quotaMb"),
        ({"kind": "shared"}, "kind"),
        ({"address": "*)(mail=*"}, "address"),
        ({"address": "motcua@vung-tau.tphcm.test"}, "dn"),
        ({"owner_dn": "uid=a,dc=tphcm,dc=test"}, "ownerDn"),
        ({"kind": "personal"}, "ownerDn"),
        ({"kind": "personal", "owner_dn": "uid=a,dc=x", "readers": ("a@b.test",)}, "readers"),
        ({"readers": ("a@b.test", "a@b.test")}, "readers"),
        ({"readers": ("không phải địa chỉ",)}, "readers"),
        ({"display_name": "Ủy\0ban"}, "displayName"),
    ],
)
def test_bad_mailboxes_are_refused_by_property(changes: dict[str, Any], property_name: str) -> None:
    assert list(mailboxes.check(GOOD)) == []
    failures = list(mailboxes.check(msgspec.structs.replace(GOOD, **changes)))
    assert property_name in {failure.property for failure in failures}


def test_an_alias_that_delivers_to_itself_is_refused() -> None:
    loop = AliasInputs(unit="26506", key="alias/x", dn=GOOD.dn, address=GOOD.address, target=GOOD.address)
    assert [failure.property for failure in aliases.check(loop)] == ["target"]
