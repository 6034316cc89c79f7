"""Mail: sent by authenticated submission, read by IMAP, over TLS; what must not be sent is refused."""

import pytest

from donvi.verify.ask import InconclusiveError


def posted(answers):
    """Return the answers about mail; without a login nothing was sent."""
    mail = answers["mail"]
    if not (mail.imap_login and mail.smtp_login):
        raise InconclusiveError(f"{mail.address} could not log in, so nothing was sent")
    return mail


@pytest.mark.about("mail", "login")
def test_the_mail_user_reads_mail_with_the_password(answers):
    mail = answers["mail"]
    assert mail.imap_login, f"IMAP refused the right password of {mail.address}"


@pytest.mark.about("mail", "login")
def test_the_mail_user_sends_mail_with_the_password(answers):
    mail = answers["mail"]
    assert mail.smtp_login, f"submission refused the right password of {mail.address}"


@pytest.mark.about("mail", "login")
def test_a_wrong_password_reads_nothing(answers):
    assert not answers["mail"].imap_wrong_password, "IMAP let a wrong password in"


@pytest.mark.about("mail", "login")
def test_a_wrong_password_sends_nothing(answers):
    assert not answers["mail"].smtp_wrong_password, "submission let a wrong password in"


@pytest.mark.about("mail", "login")
def test_an_account_that_is_no_mail_user_reads_nothing(answers):
    allowed = answers["mail"].imap_without_role
    if allowed is None:
        pytest.skip("every probe of the unit is a mail user")
    assert not allowed, "IMAP let an account in that has no mailbox"


@pytest.mark.about("mail", "delivery")
def test_a_sent_message_is_read_by_imap(answers):
    mail = posted(answers)
    reply = mail.sent[mail.address]
    assert reply.accepted, f"the message to {mail.address} wasn't taken: {reply.code} {reply.text}"
    assert mail.delivered.get(mail.address), f"the message to {mail.address} was taken but never arrived"


@pytest.mark.about("mail", "delivery")
def test_a_functional_mailbox_receives(answers, functional):
    mail = posted(answers)
    reply = mail.sent[functional]
    assert reply.accepted, f"{functional} doesn't take mail: {reply.code} {reply.text}"
    action = mail.delivered.get(functional, "")
    assert action in {"delivered", "relayed"}, f"no report of delivery to {functional} came: {action or 'nothing'}"


@pytest.mark.about("mail", "alias")
def test_an_alias_delivers(answers, alias):
    mail = posted(answers)
    reply = mail.sent[alias.address]
    assert reply.accepted, f"{alias.address} ({alias.reason}) doesn't take mail: {reply.code} {reply.text}"
    action = mail.delivered.get(alias.address, "")
    assert action in {"delivered", "relayed", "expanded"}, f"{alias.address} delivered nothing: {action or 'no report'}"


@pytest.mark.about("mail", "alias")
def test_an_alias_leads_to_its_mailbox(answers, alias):
    target = answers["aliases"].get(alias.address, "nowhere")
    assert target == alias.target, f"{alias.address} leads to {target}, should lead to {alias.target}"


@pytest.mark.about("mail", "unknown-recipient")
def test_an_unknown_recipient_is_refused(answers):
    reply = posted(answers).unknown_recipient
    assert 500 <= reply.code < 600, f"mail to nobody should be refused at once; got {reply.code} {reply.text}"


@pytest.mark.about("mail", "sender")
def test_nobody_sends_as_somebody_else(answers):
    reply = posted(answers).foreign_sender
    assert 500 <= reply.code < 600, f"another sender's address should be refused; got {reply.code} {reply.text}"


@pytest.mark.about("mail", "connection")
def test_the_mail_system_greets_the_workstation_over_tls(answers, greeted):
    machine, port = greeted
    found = answers[machine.id].mail[port]
    if found.stage == "unreachable":
        raise InconclusiveError(f"the mail system doesn't answer {machine.id}: {found.detail}")
    assert found.stage == "answered", f"{machine.id} can't open TLS to the mail system: {found}"
    assert found.detail.startswith(("* OK", "220 ")), f"port {port} greets with {found.detail!r}"
