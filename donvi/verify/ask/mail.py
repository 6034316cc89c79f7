"""Asks the mail system as a user's program would: sends by authenticated submission, reads by IMAP, both over TLS.

Functional mailboxes and aliases are tried with a delivery status notification (RFC 3461): the sender asks to be told
of success, so delivery is proven without anybody else's mailbox being opened. They are written to with the detail
:data:`DETAIL`, which the mail server files away from people's inbox and forgets within the hour. Everything that
reaches the probe's own mailbox is removed again.
"""

from __future__ import annotations

import imaplib
import smtplib
import ssl
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.utils import formatdate
from typing import TYPE_CHECKING

import msgspec

from donvi.verify.ask import InconclusiveError
from donvi.verify.ask.directory import WRONG_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.tenancy.model import Account, Mailbox, Tenancy
    from donvi.verify.ask.context import Context
    from donvi.verify.ask.secret import Secret

TIMEOUT = 20.0  # Dovecot holds back every login from an address that gave wrong passwords, by up to 15 s
DELIVERY_SECONDS = 15.0
BETWEEN_LOOKS = 0.15
ACCEPTED = range(200, 300)
SMTP_TRY_LATER = 454
WEIGHT = ("", "delayed", "expanded", "relayed", "delivered", "failed")
"""Actions of RFC 3464, 2.3.3; an alias is reported as expanded, and as failed as well when its target doesn't exist."""

DETAIL = "tham-do"  # thăm dò; see playbooks/roles/mail
TEXT = "Thư kiểm tra tự động của thành phố, có thể xoá.\n"


class Reply(msgspec.Struct, frozen=True):
    """A server's reply to a command."""

    code: int
    text: str

    @property
    def accepted(self) -> bool:
        """Whether the server did what was asked."""
        return self.code in ACCEPTED


class MailAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """All that was asked about one unit's mail; what needs a login that was refused keeps its default."""

    address: str  # the probe's own address
    imap_login: bool
    imap_wrong_password: bool  # whether a wrong password was let in
    imap_without_role: (
        bool | None
    )  # whether an account without the role was let in; None when there is none to try with
    smtp_login: bool
    smtp_wrong_password: bool  # whether a wrong password was let in
    sent: dict[str, Reply]  # by recipient
    delivered: dict[str, str]  # by recipient: "delivered" when read here, else the report's action; "" when none came
    unknown_recipient: Reply
    foreign_sender: Reply


NOT_ASKED = Reply(0, "not asked: the probe could not log in")


def probe_mailbox(tenancy: Tenancy) -> tuple[Mailbox, Account]:
    """Return the mailbox that a probe account of the unit logs into.

    :raises InconclusiveError: the catalogue gives no probe a mailbox.
    """
    accounts = {account.dn: account for account in tenancy.accounts}
    for mailbox in tenancy.mailboxes:
        if mailbox.kind == "probe" and mailbox.owner_dn in accounts:
            return mailbox, accounts[mailbox.owner_dn]
    raise InconclusiveError(
        f"no probe account of unit {tenancy.unit.code} has a mailbox", hint="see city/systems/mail.yaml"
    )


def other_recipients(tenancy: Tenancy, address: str) -> dict[str, bool]:
    """Return functional mailboxes and aliases, and whether what is sent there arrives in the mailbox ``address``."""
    functional = {box.address: False for box in tenancy.mailboxes if box.kind == "functional"}
    return functional | {alias.address: alias.target == address for alias in tenancy.aliases}


def ask_mail(context: Context) -> MailAnswers:
    """Send and read as the unit's mail probe.

    :raises InconclusiveError: the mail system doesn't answer.
    """
    mailbox, account = probe_mailbox(context.tenancy)
    place = context.deployment.mail
    try:
        return _ask(context, mailbox.address, context.password(account))
    except (smtplib.SMTPException, imaplib.IMAP4.error, OSError) as error:
        raise InconclusiveError(
            f"the mail system at {place.submission} (submission) and {place.imap} (IMAP) doesn't answer: {error}"
        ) from None


def _ask(context: Context, address: str, password: Secret | None) -> MailAnswers:
    with ThreadPoolExecutor(3) as pool, _imap(context) as imap, _smtp(context) as smtp:
        imap_login, smtp_login = _imap_login(imap, address, password), _smtp_login(smtp, address, password)
        # only now: the servers make whoever gives a wrong password wait, and everybody else at that address too
        imap_wrong = pool.submit(_imap_wrong, context, address)
        smtp_wrong = pool.submit(_smtp_wrong, context, address)
        without_role = pool.submit(_without_role, context)
        posted = _post(context.tenancy, smtp, address) if smtp_login else _Posted()
        delivered = _collect(imap, posted) if imap_login and smtp_login else {}
    return MailAnswers(
        address=address,
        imap_login=imap_login,
        imap_wrong_password=imap_wrong.result(),
        imap_without_role=without_role.result(),
        smtp_login=smtp_login,
        smtp_wrong_password=smtp_wrong.result(),
        sent=posted.sent,
        delivered=delivered,
        unknown_recipient=posted.unknown_recipient,
        foreign_sender=posted.foreign_sender,
    )


# sending


class _Posted(msgspec.Struct):
    token: str = ""
    address: str = ""
    sent: dict[str, Reply] = {}
    unknown_recipient: Reply = NOT_ASKED
    foreign_sender: Reply = NOT_ASKED


@contextmanager
def _smtp(context: Context) -> Iterator[smtplib.SMTP_SSL]:
    host, port = _place(context.deployment.mail.submission)
    tls = ssl.create_default_context(cafile=context.ca_file)
    link = smtplib.SMTP_SSL(host, port, local_hostname="verify.invalid", timeout=TIMEOUT, context=tls)
    try:
        yield link
    finally:
        with suppress(smtplib.SMTPException, OSError):
            link.quit()
        link.close()


def _smtp_login(link: smtplib.SMTP_SSL, address: str, password: Secret | None) -> bool:
    if password is None:
        return False
    link.ehlo_or_helo_if_needed()
    link.user, link.password = address, password.reveal()
    try:  # not login(): when refused it tries again by another mechanism, and the server makes each try wait
        link.auth("PLAIN", link.auth_plain)
    except smtplib.SMTPAuthenticationError as error:
        if error.smtp_code == SMTP_TRY_LATER:
            raise InconclusiveError(f"the mail system can't check passwords now: {error.smtp_error!r}") from None
        return False
    return True


def _smtp_wrong(context: Context, address: str) -> bool:
    with _smtp(context) as link:
        return _smtp_login(link, address, WRONG_PASSWORD)


def _post(tenancy: Tenancy, link: smtplib.SMTP_SSL, address: str) -> _Posted:
    posted = _Posted(token=uuid.uuid4().hex, address=address)
    posted.foreign_sender = _envelope(link, _somebody_else(tenancy, address), [address])
    posted.unknown_recipient = _envelope(link, address, [f"khong-co-{posted.token}@{tenancy.unit.domain}"])
    posted.sent[address] = _send(link, address, address, posted.token)
    for recipient, read_here in other_recipients(tenancy, address).items():
        to = recipient if read_here else _detailed(recipient)
        posted.sent[recipient] = _send(link, address, to, posted.token, report=not read_here)
    return posted


def _detailed(address: str) -> str:
    local, domain = address.split("@")
    return f"{local}+{DETAIL}@{domain}"


def _somebody_else(tenancy: Tenancy, address: str) -> str:
    others = (box.address for box in tenancy.mailboxes if box.address != address)
    return next(others, f"postmaster@{tenancy.unit.domain}")


def _envelope(link: smtplib.SMTP_SSL, sender: str, recipients: list[str]) -> Reply:
    """Offer an envelope without a message, and take it back; return the first refusal, or the last acceptance."""
    link.rset()
    reply = Reply(*_text(link.mail(sender)))
    for recipient in recipients:
        if reply.accepted:
            reply = Reply(*_text(link.rcpt(recipient)))
    link.rset()
    return reply


def _send(link: smtplib.SMTP_SSL, sender: str, recipient: str, token: str, *, report: bool = False) -> Reply:
    message = EmailMessage()
    message["From"], message["To"] = sender, recipient
    message["Subject"], message["Date"] = f"Kiểm tra thư {token}", formatdate()
    message["Message-ID"] = f"<{uuid.uuid4().hex}@verify.invalid>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(TEXT)
    link.rset()
    reply = Reply(*_text(link.mail(sender, ["RET=HDRS", f"ENVID={token}"] if report else ())))
    if reply.accepted:
        reply = Reply(*_text(link.rcpt(recipient, ["NOTIFY=SUCCESS,FAILURE"] if report else ())))
    return Reply(*_text(link.data(message.as_bytes()))) if reply.accepted else reply


def _text(reply: tuple[int, bytes]) -> tuple[int, str]:
    return reply[0], reply[1].decode(errors="replace")


# reading


@contextmanager
def _imap(context: Context) -> Iterator[imaplib.IMAP4_SSL]:
    host, port = _place(context.deployment.mail.imap)
    tls = ssl.create_default_context(cafile=context.ca_file)
    link = imaplib.IMAP4_SSL(host, port, ssl_context=tls, timeout=TIMEOUT)
    try:
        yield link
    finally:
        with suppress(imaplib.IMAP4.error, OSError):
            link.logout()
        with suppress(OSError):  # logout leaves a connection open that the server broke off
            link.shutdown()


def _imap_login(link: imaplib.IMAP4_SSL, address: str, password: Secret | None) -> bool:
    if password is None:
        return False
    try:
        link.login(address, password.reveal())
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        if "UNAVAILABLE" in str(error):
            raise InconclusiveError(f"the mail system can't check passwords now: {error}") from None
        return False
    return True


def _imap_wrong(context: Context, address: str) -> bool:
    with _imap(context) as link:
        return _imap_login(link, address, WRONG_PASSWORD)


def _without_role(context: Context) -> bool | None:
    """Try an account with a good password that isn't a mail user."""
    owners = {box.owner_dn for box in context.tenancy.mailboxes}
    for account in context.tenancy.accounts:
        if account.kind == "probe" and account.dn not in owners and (password := context.password(account)):
            with _imap(context) as link, suppress(imaplib.IMAP4.abort):  # Dovecot may just close the connection
                return _imap_login(link, account.id, password)
            return False
    return None


def _collect(link: imaplib.IMAP4_SSL, posted: _Posted) -> dict[str, str]:
    """Wait until the token and every delivery report have arrived, read them, remove them."""
    delivered = {address: "" for address, reply in posted.sent.items() if reply.accepted}
    link.select("INBOX")
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline and not all(delivered.values()):
        link.noop()
        for number in link.search(None, "UNDELETED", "TEXT", posted.token)[1][0].split():
            content = link.fetch(number, "(BODY.PEEK[])")[1][0]
            arrived = _arrived(content[1]) if isinstance(content, tuple) else {}
            for address in delivered.keys() & arrived.keys():
                delivered[address] = max(delivered[address], arrived[address], key=WEIGHT.index)
            link.store(number, "+FLAGS", "\\Deleted")
        if not all(delivered.values()):
            time.sleep(BETWEEN_LOOKS)
    link.expunge()
    return delivered


def _arrived(raw: bytes) -> dict[str, str]:
    """Say what a message proves, by recipient: a status notification (RFC 3464) its actions, the message itself all."""
    message = message_from_bytes(raw)
    if message.get_content_type() != "multipart/report":
        return {str(message["To"]): "delivered"}
    found = {}
    for part in message.walk():
        recipient = part.get("Original-Recipient") or part.get("Final-Recipient")
        if recipient and part.get("Action"):
            address = recipient.split(";", 1)[1].strip().replace(f"+{DETAIL}@", "@")
            found[address] = str(part["Action"]).strip().lower()
    return found


def _place(text: str) -> tuple[str, int]:
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)
