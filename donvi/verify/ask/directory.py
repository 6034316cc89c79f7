"""Asks the directory over LDAPS, as probe accounts: binds, wrong passwords, and what an account sees of others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import bonsai
import msgspec

from donvi.errors import BackendError, UnreachableError
from donvi.verify.ask import NO_PASSWORD, InconclusiveError
from donvi.verify.ask.secret import Secret

if TYPE_CHECKING:
    from donvi.tenancy.model import Account
    from donvi.verify.ask.context import Context

TIMEOUT = 8.0
WRONG_PASSWORD = Secret("khong-phai-mat-khau")  # ASCII: imaplib sends nothing else
READER = "backends/directory/read"
PERSON_ATTRIBUTES = ["entryUUID", "pwdReset", "pwdChangedTime", "createTimestamp", "pwdAccountLockedTime"]


class ProbeLogin(msgspec.Struct, frozen=True):
    """What the directory answered a probe account."""

    accepted: bool  # its own password
    accepted_wrong: bool  # a wrong password
    sees: tuple[str, ...]  # DNs of other accounts of the city whose attributes it could read
    detail: str = ""  # why the password wasn't accepted


class PersonEntry(msgspec.Struct, frozen=True):
    """A person's account as the directory holds it."""

    must_change: bool  # the first password still stands and has to be changed at login
    changed: bool  # the password was changed after the account was made
    locked: bool


def ask_probes(context: Context) -> dict[str, ProbeLogin]:
    """Bind as every probe of the unit; return what happened by account id.

    :raises InconclusiveError: the directory doesn't answer.
    """
    probes = [account for account in context.tenancy.accounts if account.kind == "probe"]
    with ThreadPoolExecutor(4) as pool:
        return dict(zip((p.id for p in probes), pool.map(lambda p: _probe(context, p), probes), strict=True))


def _client(context: Context, dn: str, password: Secret) -> bonsai.LDAPClient:
    client = bonsai.LDAPClient(context.deployment.directory.url)
    client.set_ca_cert(context.ca_file)
    client.set_cert_policy("demand")
    client.set_credentials("SIMPLE", dn, password.reveal())
    return client


def _bind(context: Context, dn: str, password: Secret) -> bonsai.LDAPConnection | str:
    """Return the connection, or the directory's reason for refusing.

    :raises InconclusiveError: nobody answers, or the certificate isn't good.
    """
    try:
        return _client(context, dn, password).connect(timeout=TIMEOUT)
    except (bonsai.AuthenticationError, bonsai.AccountLocked, bonsai.PasswordExpired, bonsai.ChangeAfterReset) as error:
        return type(error).__name__
    except (bonsai.LDAPError, OSError) as error:
        raise InconclusiveError(
            f"the directory at {context.deployment.directory.url} doesn't answer: {error}"
        ) from None


def _probe(context: Context, account: Account) -> ProbeLogin:
    password = context.password(account)
    wrong = _bind(context, account.dn, WRONG_PASSWORD)
    if not isinstance(wrong, str):
        wrong.close()
    bound = _bind(context, account.dn, password) if password else NO_PASSWORD
    if isinstance(bound, str):
        return ProbeLogin(accepted=False, accepted_wrong=not isinstance(wrong, str), sees=(), detail=bound)
    try:
        sees = _sees(context, bound, account)
    finally:
        bound.close()
    return ProbeLogin(accepted=True, accepted_wrong=not isinstance(wrong, str), sees=sees)


def _sees(context: Context, bound: bonsai.LDAPConnection, account: Account) -> tuple[str, ...]:
    base = context.tenancy.organizational_units[0].dn.split(",", 1)[1]
    try:
        entries = bound.search(
            base, bonsai.LDAPSearchScope.SUB, "(uid=*)", ["mail", "cn", "userPassword"], timeout=TIMEOUT
        )
    except (bonsai.InsufficientAccess, bonsai.NoSuchObjectError):
        return ()
    return tuple(sorted(str(e.dn) for e in entries if str(e.dn).casefold() != account.dn.casefold()))


def ask_people(context: Context) -> dict[str, PersonEntry]:
    """Look at the account of every person of the unit, by account id; an account that doesn't exist is absent.

    Nobody logs in as a person: that would consume the first password.

    :raises InconclusiveError: the directory doesn't answer, or its reader's credentials can't be had.
    """
    wanted = {account.dn.casefold(): account.id for account in context.tenancy.accounts if account.kind == "person"}
    if not wanted:
        return {}
    found = _below(context, "people", "(uid=*)", PERSON_ATTRIBUTES)
    return {wanted[dn]: _person(entry) for entry in found if (dn := str(entry.dn).casefold()) in wanted}


def ask_aliases(context: Context) -> dict[str, str]:
    """Return where each alias of the unit leads, by address: a report of delivery doesn't say.

    :raises InconclusiveError: the directory doesn't answer, or its reader's credentials can't be had.
    """
    found = _below(context, "mail", "(donviMailTarget=*)", ["mail", "donviMailTarget"])
    return {str(entry["mail"][0]): str(entry["donviMailTarget"][0]) for entry in found}


def _below(context: Context, container: str, filter_text: str, attributes: list[str]) -> list[bonsai.LDAPEntry]:
    """Return entries of one of the unit's containers, as the account that only reads sees them."""
    try:
        reader = context.operator.kv_read(READER)
    except UnreachableError as error:
        raise InconclusiveError(f"Vault doesn't answer: {error}") from None
    except BackendError as error:
        raise InconclusiveError(f"this token may not look at the directory: {error}") from None
    if reader is None:
        raise InconclusiveError(f"Vault holds no reader's credentials at kv/{READER}")
    bound = _bind(context, reader["bind_dn"], Secret(reader["password"]))
    if isinstance(bound, str):
        raise InconclusiveError(f"the directory refuses the reader's credentials: {bound}")
    base = next(ou.dn for ou in context.tenancy.organizational_units if ou.id == container)
    try:
        return list(bound.search(base, bonsai.LDAPSearchScope.ONE, filter_text, attributes, timeout=TIMEOUT))
    except bonsai.NoSuchObjectError:
        return []
    except bonsai.LDAPError as error:
        raise InconclusiveError(f"the directory doesn't say what is below {base}: {error}") from None
    finally:
        bound.close()


def _person(entry: bonsai.LDAPEntry) -> PersonEntry:
    made, changed = _moment(entry, "createTimestamp"), _moment(entry, "pwdChangedTime")
    return PersonEntry(
        must_change=bool(entry.get("pwdReset", [False])[0]),
        changed=made is not None and changed is not None and changed > made,
        locked="pwdAccountLockedTime" in entry,
    )


def _moment(entry: bonsai.LDAPEntry, attribute: str) -> datetime | None:
    value = entry.get(attribute, [None])[0]
    if value is None or isinstance(value, datetime):
        return value
    return datetime.strptime(str(value)[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
