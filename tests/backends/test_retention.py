"""What is kept, and its end, on the real directory and mail server. Every purge here names a unit of the test's own."""

from __future__ import annotations

import json
import os
import pty
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from donvi.backends.directory import Directory, credential_path, names
from donvi.backends.mail import empty_store
from donvi.backends.retention import find_kept, purge
from donvi.errors import BackendError, PermissionDeniedError
from donvi.provider.handler import Registry
from donvi.provider.handlers.directory import AccountInputs
from donvi.provider.services import Services
from tests.backends.conftest import role_environment
from tests.backends.test_mail import mailbox, refusal, send
from tests.support.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from donvi.backends.retention import Kept
    from donvi.provider.handlers.mail import MailboxInputs
    from tests.backends.conftest import Unit

_registry = Registry()
accounts = _registry.find("donvi:directory:Account")
mailboxes = _registry.find("donvi:mail:Mailbox")
SECONDS = 10.0
SINCE = "donviRetainedSince"


@pytest.fixture
def days_ago(services: Services, environment: Mapping[str, str]) -> Iterator[Callable[[int], Services]]:
    """The servers as a run so many days ago had them."""
    made: list[Services] = []

    def at(days: int) -> Services:
        clock = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        made.append(Services(services.deployment, {**environment, "DONVI_CLOCK": clock}))
        return made[-1]

    yield at
    for one in made:
        one.close()


@pytest.fixture(autouse=True)
def _no_store_stays(unit: Unit) -> Iterator[None]:
    yield
    Lab().on("dc", f"rm -rf /srv/mail/{unit.domain}")


@pytest.fixture
def purger(services: Services, services_of: Callable[[str], Services]) -> Iterator[Directory]:
    """The directory as the account has it that purges."""
    login = services_of("administrator").vault.kv_read("backends/directory/retention")
    assert login is not None
    url = services.deployment.directory.url
    with Directory(url, str(login["bind_dn"]), str(login["password"]), services.ca_file) as made:
        yield made


def person(unit: Unit, number: int = 1) -> AccountInputs:
    uid = f"thu-{unit.code}-{number}-{secrets.token_hex(3)}"
    return AccountInputs(
        unit=unit.code,
        key=f"account/{uid}",
        dn=names.child("uid", uid, unit.branch("people")),
        uid=uid,
        kind="person",
        common_name="Nguyễn Văn Thử",
        surname="Nguyễn",
        uid_number=unit.numbers + number,
        credential=credential_path(unit.code, uid, person=True),
    )


def functional(services: Services, unit: Unit, local: str = "ubnd") -> tuple[MailboxInputs, str]:
    """Make a mailbox with a message in it; return the message's token too."""
    box = mailbox(unit, f"{local}@{unit.domain}")
    mailboxes.create(services, box)
    token = send(services, box.address)
    deadline = time.monotonic() + SECONDS
    while not services.doveadm.messages(box.address):
        assert time.monotonic() < deadline, f"no mail for {box.address}"
        time.sleep(0.05)
    return box, token


def donvi(*arguments: str, role: str = "administrator", **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "donvi.cli.main", "retention", *arguments]
    environment = {**os.environ, **role_environment(role), **more}
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def listed(unit: Unit, *arguments: str) -> list[str]:
    done = donvi("list", "--unit", unit.code, "--json", *arguments, role="preview")
    assert done.returncode == 0, done.stderr
    return [one["name"] for one in json.loads(done.stdout)]


def kept(services: Services, unit: Unit) -> list[Kept]:
    return find_kept(services.directory_read, unit.base, unit=unit.code)


def on_disk(token: str, address: str) -> list[str]:
    local, domain = address.split("@")
    found = Lab().on(
        "dc", f"grep -rl {token} /srv/mail/{domain}/{local} || true; ls /srv/mail/{domain}/{local}/Maildir"
    )
    return [line for line in found.splitlines() if "/" in line]


def identity(services: Services, dn: str) -> str:
    entry = services.directory_read.get(dn)
    return entry.one("entryUUID") if entry else ""


def test_a_purged_person_is_gone_and_can_be_made_anew_as_somebody_else(
    services: Services, unit: Unit, days_ago: Callable[[int], Services]
) -> None:
    one = person(unit)
    accounts.create(services, one)
    before = identity(services, one.dn)
    accounts.delete(days_ago(400), one.dn, one)
    assert listed(unit, "--older-than", "365") == [one.uid]
    done = donvi("purge", "--older-than", "365", "--unit", unit.code, "--confirm", "1")
    assert done.returncode == 0, done.stderr
    assert f"1/1 account {one.uid} of unit {unit.code}: removed" in done.stderr
    assert listed(unit) == []
    accounts.create(services, one)
    assert identity(services, one.dn) not in {"", before}


def test_what_is_younger_is_kept(services: Services, unit: Unit, days_ago: Callable[[int], Services]) -> None:
    old, young = person(unit, 1), person(unit, 2)
    for one, days in ((old, 366), (young, 364)):
        accounts.create(services, one)
        accounts.delete(days_ago(days), one.dn, one)
    assert listed(unit) == [old.uid, young.uid]
    done = donvi("purge", "--older-than", "365", "--unit", unit.code, "--confirm", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert [one["name"] for one in json.loads(done.stdout)["removed"]] == [old.uid]
    assert listed(unit) == [young.uid]
    again = donvi("purge", "--older-than", "365", "--unit", unit.code, "--confirm", "1")
    assert (again.returncode, listed(unit)) == (0, [young.uid])
    clock = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    later = donvi("purge", "--older-than", "365", "--unit", unit.code, "--confirm", "1", DONVI_CLOCK=clock)
    assert (later.returncode, listed(unit)) == (0, [])


def test_purged_mail_is_gone_from_the_servers_disk(
    services: Services, unit: Unit, days_ago: Callable[[int], Services]
) -> None:
    box, token = functional(services, unit)
    services.doveadm._command("mailboxCreate", box.address, mailbox=["Lưu trữ/Năm 2024"])
    services.doveadm._command("mailboxCreate", box.address, mailbox=["Một * nghìn %"])
    copied = ["mailbox", "INBOX", "ALL"]
    services.doveadm._command("copy", box.address, destinationMailbox="Lưu trữ/Năm 2024", query=copied)
    assert len(on_disk(token, box.address)) >= 2
    mailboxes.delete(days_ago(400), box.dn, box)
    assert len(on_disk(token, box.address)) >= 2, "giving up keeps the mail"
    done = donvi("purge", "--older-than", "365", "--unit", unit.code, "--confirm", "1")
    assert done.returncode == 0, done.stderr
    assert on_disk(token, box.address) == [], "neither a message nor its headers in an index"
    assert listed(unit) == []
    assert refusal(services, box.address) == 550
    mailboxes.create(services, msgspec.structs.replace(box, key="mailbox/khac"))
    assert services.doveadm.messages(box.address) == 0
    assert "Lưu trữ/Năm 2024" not in (services.doveadm.folders(box.address) or [])


def test_what_a_unit_uses_is_never_touched(
    services: Services, unit: Unit, purger: Directory, days_ago: Callable[[int], Services]
) -> None:
    box, token = functional(services, unit)
    one, gone = person(unit, 1), person(unit, 2)
    for account in (one, gone):
        accounts.create(services, account)
    accounts.delete(days_ago(400), gone.dn, gone)
    done = donvi("purge", "--older-than", "0", "--unit", unit.code, "--confirm", "1")
    assert done.returncode == 0, done.stderr
    assert identity(services, one.dn)
    assert services.doveadm.messages(box.address) == 1
    assert on_disk(token, box.address)
    assert not empty_store(services.doveadm, box.address), "an active mailbox has no name that a purge could use"
    for forbidden in (
        lambda: purger.delete(one.dn),
        lambda: purger.delete(f"ou=retained,{unit.base}"),
        lambda: purger.modify(f"ou=retained,{unit.base}", replace={"description": ("x",)}),
    ):
        with pytest.raises(PermissionDeniedError):
            forbidden()
    assert purger.get(one.dn) is None, "it doesn't even see who is active"


def test_what_was_taken_back_while_a_purge_ran_is_left_alone(
    services: Services, unit: Unit, purger: Directory, days_ago: Callable[[int], Services]
) -> None:
    one = person(unit)
    accounts.create(services, one)
    box, token = functional(services, unit)
    for handler, inputs in ((accounts, one), (mailboxes, box)):
        handler.delete(days_ago(400), inputs.dn, inputs)
    chosen = kept(services, unit)
    assert [found.kind for found in chosen] == ["mailbox", "account"], "mail goes before its owner"
    for handler, inputs in ((accounts, one), (mailboxes, box)):
        handler.create(services, inputs)
        entry = services.directory_read.get(inputs.dn)
        assert entry is not None
        assert entry.all(SINCE) == ()
    assert [gone for _, gone in purge(purger, services.doveadm, chosen)] == [False, False]
    for handler, inputs in ((accounts, one), (mailboxes, box)):
        handler.delete(services, inputs.dn, inputs)
    assert [gone for _, gone in purge(purger, services.doveadm, chosen)] == [False, False], "kept anew, since today"
    assert on_disk(token, box.address)


def test_a_purge_that_was_cut_short_is_finished_by_the_next(
    services: Services, unit: Unit, purger: Directory, days_ago: Callable[[int], Services]
) -> None:
    first, _ = functional(services, unit, "ubnd")
    second, token = functional(services, unit, "motcua")
    for box in (first, second):
        mailboxes.delete(days_ago(400), box.dn, box)
    cut = purge(purger, services.doveadm, kept(services, unit))
    next(cut)
    cut.close()
    (left,) = kept(services, unit)
    assert empty_store(services.doveadm, left.name)  # and killed before the entry went
    assert empty_store(services.doveadm, left.name)
    assert [gone for _, gone in purge(purger, services.doveadm, kept(services, unit))] == [True]
    assert kept(services, unit) == []
    assert on_disk(token, second.address) == []


def test_what_was_kept_before_entries_said_since_when_counts_from_its_last_change(
    services: Services, unit: Unit, days_ago: Callable[[int], Services]
) -> None:
    one = person(unit)
    accounts.create(services, one)
    accounts.delete(days_ago(400), one.dn, one)
    services.directory_write.modify(names.retained(one.dn), replace={SINCE: ()})
    (found,) = kept(services, unit)
    assert abs(found.since - datetime.now(UTC)) < timedelta(minutes=5)
    assert (found.unit, found.key) == (one.unit, one.key)


def test_a_kept_mailbox_that_the_mail_server_doesnt_know_is_an_error(
    services: Services, unit: Unit, purger: Directory
) -> None:
    box, _ = functional(services, unit)
    mailboxes.delete(services, box.dn, box)
    services.directory_write.modify(names.retained(box.dn), replace={"donviMailState": ("active",)})
    with pytest.raises(BackendError, match="doesn't know it as retained"):
        list(purge(purger, services.doveadm, kept(services, unit)))
    assert kept(services, unit)


def test_nothing_goes_unless_somebody_says_how_much(
    services: Services, unit: Unit, days_ago: Callable[[int], Services]
) -> None:
    one = person(unit)
    accounts.create(services, one)
    accounts.delete(days_ago(400), one.dn, one)
    arguments = ("purge", "--older-than", "365", "--unit", unit.code)
    silent = donvi(*arguments)
    assert (silent.returncode, silent.stdout) == (2, "")
    assert "--confirm 1" in silent.stderr
    wrong = donvi(*arguments, "--confirm", "2", "--json")
    assert wrong.returncode == 2
    assert "1 things would be removed, not 2" in json.loads(wrong.stderr)["message"]
    for role in ("apply", "preview"):
        refused = donvi(*arguments, "--confirm", "1", role=role)
        assert refused.returncode == 1
        assert "--role administrator" in refused.stderr
    assert donvi("purge", "--confirm", "1").returncode == 2, "how old must be said"
    assert listed(unit) == [one.uid]


@contextmanager
def typed(text: str) -> Iterator[int]:
    """A terminal on which somebody types."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, text.encode())
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(("answer", "ending"), [("2\n", (2, 1)), ("1\n", (0, 0))])
def test_on_a_terminal_the_number_is_typed(
    services: Services, unit: Unit, days_ago: Callable[[int], Services], answer: str, ending: tuple[int, int]
) -> None:
    one = person(unit)
    accounts.create(services, one)
    accounts.delete(days_ago(400), one.dn, one)
    command = [sys.executable, "-m", "donvi.cli.main", "retention", "purge", "--older-than", "9", "--unit", unit.code]
    environment = {**os.environ, **role_environment("administrator")}
    with typed(answer) as terminal:
        done = subprocess.run(command, env=environment, stdin=terminal, capture_output=True, text=True, check=False)
    assert one.uid in done.stderr, "it shows what goes before it asks"
    assert (done.returncode, len(kept(services, unit))) == ending, done.stderr
