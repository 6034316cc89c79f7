"""Connections to the directory: a bounded pool, typed entries, and the server's errors in donvi's words.

The directory is asked over ``ldaps`` only and its certificate is always verified. A connection that the server closed
(a restart) is replaced without the caller noticing. bonsai ignores its own timeout during a TLS handshake (a server
that accepts and stays silent hangs it for ever), so a new connection is preceded by a handshake of Python's ``ssl``,
which has one and also says what is wrong with a certificate.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import bonsai

from donvi.backends.directory import failures, names
from donvi.backends.directory.handshake import require_tls
from donvi.errors import BackendError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")

Scope = Literal["base", "one", "subtree"]
_SCOPES: dict[Scope, int] = {"base": 0, "one": 1, "subtree": 2}

EVERYTHING = ("*", "entryDN", "entryUUID", "memberOf", "pwdChangedTime", "pwdReset", "pwdAccountLockedTime")
"""What is read of an entry unless told otherwise: its own attributes and the operational ones that donvi acts on."""

# without this bonsai makes the title "TRUE" a boolean and the name "-1" a number
_TEXTS = ("cn", "sn", "givenName", "title", "mail", "uid", "description", "displayName", "ou", "member", "memberOf",
          "entryDN", "modifyTimestamp", "donviRetainedSince", "donviUnit", "donviKey",
          "donviMailOwner", "donviMailReader", "donviMailTarget")  # fmt: skip

MOST_PARTS = 1000  # of a name

_LOST = (bonsai.errors.ConnectionError, bonsai.errors.ClosedConnection)


@dataclass(frozen=True)
class Entry:
    """An entry as it is in the directory; attribute names are compared without case."""

    dn: str
    attributes: Mapping[str, tuple[str, ...]]

    def all(self, attribute: str) -> tuple[str, ...]:
        """Return an attribute's values, none if it is absent."""
        return self.attributes.get(attribute.lower(), ())

    def one(self, attribute: str) -> str:
        """Return an attribute's first value, "" if it is absent."""
        values = self.all(attribute)
        return values[0] if values else ""


# bonsai refuses to return legal names, e.g. cn=C#, and with them the whole answer; names are parsed in names.py
bonsai.LDAPDN._dnregex = re.compile("", re.ASCII)  # noqa: SLF001


class _ExactName(bonsai.LDAPDN):
    """A name that reaches the server as it was written.

    bonsai's own class rewrites escaped characters, and when an entry moves it cuts the new parent to as many parts as
    the old name had; it counts the parts by ``len``.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        super().__init__("")
        self._text = text

    def __str__(self) -> str:
        return self._text

    def __len__(self) -> int:
        return MOST_PARTS


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value)


def _entry(raw: Any) -> Entry:
    attributes = {name.lower(): tuple(_text(value) for value in values) for name, values in raw.items(exclude_dn=True)}
    names = attributes.get("entrydn", ())
    # bonsai's own dn is wrong for names that hold a backslash before two hexadecimal digits
    return Entry(names[0] if names else str(raw.dn), attributes)


class Directory:
    """The directory, bound as one service account; safe to use from several threads.

    :param url: ``ldaps://host:port``; the server's certificate must name ``host``.
    :param bind_dn: the account that donvi binds as; ``password`` is its password, kept in memory only.
    :param ca_file: the root certificate that the server must chain to.
    :param size: how many connections may be open at once; further callers wait.
    :param connect_timeout: seconds until a server that doesn't answer counts as unreachable.
    :param operation_timeout: seconds for one operation.
    """

    def __init__(
        self,
        url: str,
        bind_dn: str,
        password: str,
        ca_file: str,
        *,
        size: int = 8,
        connect_timeout: float = 3.0,
        operation_timeout: float = 10.0,
    ) -> None:
        self.url = url
        self.bind_dn = bind_dn
        self._ca_file = str(ca_file)
        self._connect_timeout = connect_timeout
        self._timeout = operation_timeout
        self._slots = threading.BoundedSemaphore(size)
        self._idle: list[Any] = []
        self._client = bonsai.LDAPClient(url)
        self._client.set_cert_policy("demand")
        self._client.set_ca_cert(self._ca_file)
        self._client.set_credentials("SIMPLE", user=bind_dn, password=password)
        self._client.set_raw_attributes(list(_TEXTS))

    def __repr__(self) -> str:
        return f"<Directory {self.url} as {self.bind_dn}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections; the directory may be used again afterwards."""
        while self._idle:
            self._discard(self._idle.pop())

    def check_login(self) -> None:
        """Bind anew, to see whether the credentials still open the directory.

        :raises PermissionDeniedError: they don't.
        :raises UnreachableError: nobody answers.
        """
        self._discard(self._open())

    def get(self, dn: str, attributes: Sequence[str] = EVERYTHING) -> Entry | None:
        """Return one entry, ``None`` if there is none of that name.

        :raises UnreachableError: nobody answers; :raises PermissionDeniedError: the account may not look.
        """
        found = self.search(dn, "(objectClass=*)", scope="base", attributes=attributes)
        return found[0] if found else None

    def search(
        self,
        base: str,
        filter_text: str,
        *,
        scope: Scope = "subtree",
        attributes: Sequence[str] = EVERYTHING,
    ) -> list[Entry]:
        """Return the entries below ``base`` that match; none if ``base`` doesn't exist.

        :param filter_text: made by :mod:`donvi.backends.directory.names`, which escapes values.
        """
        wanted = list(attributes) if "entryDN" in attributes else [*attributes, "entryDN"]

        def ask(connection: Any) -> list[Entry]:
            try:
                raw = connection.search(base, _SCOPES[scope], filter_text, wanted, self._timeout)
            except bonsai.errors.NoSuchObjectError:
                return []
            return [_entry(one) for one in raw]

        return self._run(f"look at {base}", ask)

    def add(self, dn: str, attributes: Mapping[str, Sequence[str]]) -> bool:
        """Add an entry; False if one of that name exists already. Attributes without values are left out."""
        entry = bonsai.LDAPEntry(_ExactName(dn))
        for name, values in attributes.items():
            if values:
                entry[name] = list(values)
        return self._run(f"add {dn}", lambda c: _done(lambda: c.add(entry, self._timeout), bonsai.errors.AlreadyExists))

    def modify(
        self,
        dn: str,
        *,
        replace: Mapping[str, Sequence[str]] | None = None,
        add: Mapping[str, Sequence[str]] | None = None,
        remove: Mapping[str, Sequence[str]] | None = None,
    ) -> bool:
        """Change an entry in one step.

        :param replace: the complete new values by attribute; none removes the attribute.
        :param add: single values to add; ``remove``: single values to take away.
        :return: False, and nothing changed, if the entry or a value to take away isn't there, or a value to add is.
        """

        def change(connection: Any) -> bool:
            entry: Any = bonsai.LDAPEntry(_ExactName(dn), connection)
            for name, values in (replace or {}).items():
                entry.change_attribute(name, bonsai.LDAPModOp.REPLACE, *values)
            for name, values in (add or {}).items():
                entry.change_attribute(name, bonsai.LDAPModOp.ADD, *values)
            for name, values in (remove or {}).items():
                entry.change_attribute(name, bonsai.LDAPModOp.DELETE, *values)
            overtaken = (
                bonsai.errors.NoSuchObjectError,
                bonsai.errors.NoSuchAttribute,
                bonsai.errors.TypeOrValueExists,
            )
            return _done(lambda: entry.modify(self._timeout), *overtaken)

        return self._run(f"change {dn}", change)

    def rename(self, dn: str, new_dn: str) -> bool:
        """Move an entry to a new name, keeping its identity (``entryUUID``); False if there is none to move.

        :raises ConflictError: an entry of the new name exists already.
        :raises BackendError: the new name holds a backslash, which bonsai would misread.
        """
        if "\\" in names.relative(new_dn).value:
            raise BackendError(f"{dn} can't be moved to a name with a backslash", hint="choose another name")

        def move(connection: Any) -> bool:
            entry = bonsai.LDAPEntry(_ExactName(dn), connection)
            return _done(lambda: entry.rename(new_dn, self._timeout), bonsai.errors.NoSuchObjectError)

        return self._run(f"move {dn} to {new_dn}", move)

    def delete(self, dn: str) -> bool:
        """Delete an entry; False if there was none.

        :raises ConflictError: entries lie below it.
        """
        return self._run(
            f"delete {dn}", lambda c: _done(lambda: c.delete(dn, self._timeout), bonsai.errors.NoSuchObjectError)
        )

    def _run(self, action: str, operation: Callable[[Any], T]) -> T:
        with self._slots, failures.translated(action, self.url, self.bind_dn):
            if self._idle:
                try:
                    with self._lent(self._take()) as connection:
                        return operation(connection)
                except _LOST:
                    self.close()  # the server was restarted: the others are dead too
            with self._lent(self._open()) as connection:
                return operation(connection)

    def _take(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    @contextmanager
    def _lent(self, connection: Any) -> Iterator[Any]:
        try:
            yield connection
        except (*_LOST, bonsai.errors.TimeoutError, SystemError):
            self._discard(connection)
            raise
        except BaseException:
            self._idle.append(connection)
            raise
        self._idle.append(connection)

    def _open(self) -> Any:
        with failures.translated("log in", self.url, self.bind_dn):
            require_tls(self.url, self._ca_file, self._connect_timeout)
            try:
                return self._client.connect(timeout=self._connect_timeout)
            except _LOST as error:
                raise UnreachableError(
                    f"the directory at {self.url} closed the connection: {error}", hint=failures.REMEDY
                ) from None

    @staticmethod
    def _discard(connection: Any) -> None:
        try:
            connection.close()
        except bonsai.LDAPError:
            return


def _done(operation: Callable[[], object], *absent: type[Exception]) -> bool:
    try:
        operation()
    except absent:
        return False
    return True
