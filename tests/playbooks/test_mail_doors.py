"""What the mail server takes from whom."""

from __future__ import annotations

import base64
import imaplib
import smtplib
import socket
import ssl
import time
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from donvi.deployment import Deployment
    from tests.playbooks.conftest import Scratch, Vault

OUTSIDER = "ai-do@noi-khac.example"


@pytest.fixture(scope="module", autouse=True)
def nothing_left(on: Callable[..., str], scratch: Scratch) -> Iterator[None]:
    """Stores outlive their mailboxes by design; those of the scratch unit are taken away by hand."""
    yield
    shared, reader = scratch.address("ubnd"), scratch.address(scratch.clerk)
    on("dc", f"doveadm acl delete -u {shared} INBOX user={reader}; rm -rf /srv/mail/{scratch.domain}")


@pytest.fixture(scope="module")
def tls(root: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=root)


@pytest.fixture
def port25(deployment: Deployment, tls: ssl.SSLContext) -> Iterator[smtplib.SMTP]:
    host, port = deployment.mail.smtp.split(":")
    with smtplib.SMTP(host, int(port), "probe.test", timeout=20) as client:
        client.starttls(context=tls)
        client.ehlo("probe.test")
        yield client


@pytest.fixture
def submission(
    deployment: Deployment, tls: ssl.SSLContext, scratch: Scratch
) -> Iterator[Callable[[str], smtplib.SMTP]]:
    """Log in to port 465 as an account of the scratch unit."""
    host, port = deployment.mail.submission.split(":")
    opened: list[smtplib.SMTP] = []

    def login(uid: str) -> smtplib.SMTP:
        client = smtplib.SMTP_SSL(host, int(port), "probe.test", timeout=20, context=tls)
        opened.append(client)
        client.ehlo("probe.test")
        answer = client.docmd("AUTH", "PLAIN " + plain(uid, scratch.password).decode())
        assert answer[0] == 235, answer
        return client

    yield login
    for client in opened:
        client.close()


def plain(uid: str, password: str) -> bytes:
    return base64.b64encode(b"\0" + uid.encode() + b"\0" + password.encode())


def try_to_send(client: smtplib.SMTP, sender: str, recipient: str) -> tuple[int, bytes]:
    """Go as far as the recipient; what the server says last."""
    answer = client.mail(sender)
    return client.rcpt(recipient) if answer[0] == 250 else answer


def test_mail_from_outside_reaches_a_known_recipient(port25: smtplib.SMTP, scratch: Scratch) -> None:
    assert try_to_send(port25, OUTSIDER, scratch.address(scratch.clerk))[0] == 250


def test_an_unknown_recipient_is_refused_at_once(port25: smtplib.SMTP, scratch: Scratch) -> None:
    assert try_to_send(port25, OUTSIDER, scratch.address("khong-ai"))[0] == 550


def test_nothing_is_relayed_for_strangers(port25: smtplib.SMTP) -> None:
    assert try_to_send(port25, OUTSIDER, "nguoi-khac@noi-khac.example")[0] == 554


def test_nobody_speaks_for_the_city_without_logging_in(port25: smtplib.SMTP, scratch: Scratch) -> None:
    sender = scratch.address(scratch.clerk)
    code, words = try_to_send(port25, sender, scratch.address(scratch.other))
    assert code == 554, words


def test_port_25_takes_no_password(port25: smtplib.SMTP) -> None:
    assert "auth" not in port25.esmtp_features


def test_a_person_sends_in_the_own_name(submission: Callable[[str], smtplib.SMTP], scratch: Scratch) -> None:
    client = submission(scratch.clerk)
    assert try_to_send(client, scratch.address(scratch.clerk), scratch.address(scratch.other))[0] == 250


def test_a_person_sends_in_nobody_elses_name(submission: Callable[[str], smtplib.SMTP], scratch: Scratch) -> None:
    client = submission(scratch.clerk)
    assert try_to_send(client, scratch.address(scratch.other), scratch.address(scratch.other))[0] == 553


def test_a_functional_address_speaks_through_its_readers_only(
    submission: Callable[[str], smtplib.SMTP], scratch: Scratch
) -> None:
    shared, recipient = scratch.address("ubnd"), scratch.address(scratch.other)
    assert try_to_send(submission(scratch.clerk), shared, recipient)[0] == 250
    assert try_to_send(submission(scratch.other), shared, recipient)[0] == 553


@pytest.mark.parametrize("port", [143, 110, 587, 389])
def test_no_door_without_tls(deployment: Deployment, port: int) -> None:
    host = deployment.mail.imap.split(":")[0]
    with socket.socket() as door:
        door.settimeout(5)
        assert door.connect_ex((host, port)) != 0


def test_over_quota_is_told_to_the_sender(
    submission: Callable[[str], smtplib.SMTP], scratch: Scratch, deployment: Deployment, tls: ssl.SSLContext
) -> None:
    client, sender, full = submission(scratch.clerk), scratch.address(scratch.clerk), scratch.address(scratch.other)
    message = f"From: {sender}\r\nTo: {full}\r\n\r\n" + ("x" * 76 + "\r\n") * 10_000
    client.sendmail(sender, [full], message)
    deadline = time.monotonic() + 20
    while (found := in_inbox(deployment, tls, scratch, scratch.other)) == 0:
        assert time.monotonic() < deadline, "the first message never arrived"
        time.sleep(0.1)
    client.mail(sender, [f"size={len(message)}"])
    code, words = client.rcpt(full)
    assert (found, code) == (1, 552), words


def test_a_functional_mailbox_is_read_by_whom_it_was_granted_to(
    deployment: Deployment, tls: ssl.SSLContext, scratch: Scratch, vault: Callable[[str], Vault], root: str
) -> None:
    key = vault("apply").secret("backends/mail/doveadm")["api_key"]
    what = {"user": scratch.address("ubnd"), "mailbox": "INBOX", "id": f"user={scratch.address(scratch.clerk)}"}
    answer = requests.post(
        f"{deployment.mail.doveadm}/doveadm/v1",
        json=[["aclSet", {**what, "right": ["lookup", "read"]}, "1"]],
        headers={"Authorization": "X-Dovecot-API " + base64.b64encode(key.encode()).decode()},
        verify=root,
        timeout=20,
    )
    assert answer.json() == [["doveadmResponse", [], "1"]]
    folder = f"shared/{scratch.address('ubnd')}"
    assert opens(deployment, tls, scratch, scratch.clerk, folder) == "OK"
    assert opens(deployment, tls, scratch, scratch.other, folder) == "NO"


def opens(deployment: Deployment, tls: ssl.SSLContext, scratch: Scratch, uid: str, folder: str) -> str:
    """What IMAP answers when somebody opens a folder."""
    with imap(deployment, tls, scratch, uid) as client:
        return client.select(f'"{folder}"', readonly=True)[0]


def in_inbox(deployment: Deployment, tls: ssl.SSLContext, scratch: Scratch, uid: str) -> int:
    with imap(deployment, tls, scratch, uid) as client:
        return int(client.select("INBOX", readonly=True)[1][0] or 0)


def imap(deployment: Deployment, tls: ssl.SSLContext, scratch: Scratch, uid: str) -> imaplib.IMAP4_SSL:
    host, port = deployment.mail.imap.split(":")
    client = imaplib.IMAP4_SSL(host, int(port), ssl_context=tls, timeout=20)
    client.authenticate("PLAIN", lambda _: b"\0" + uid.encode() + b"\0" + scratch.password.encode())
    return client
