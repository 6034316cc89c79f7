"""Mail resources: mailboxes and aliases. The id of each is the distinguished name of its entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.backends.directory import mark_of
from donvi.backends.mail import (
    ACTIVE,
    AliasSpec,
    MailboxSpec,
    clear_readers,
    ensure_alias,
    ensure_mailbox,
    ensure_readers,
    real_readers,
    remove_alias,
    retire_mailbox,
)
from donvi.errors import DonviError, PartialError, PermissionDeniedError
from donvi.provider.handler import Failure, Found, Handler, Inputs, Result, handler
from donvi.provider.handlers import checks
from donvi.provider.handlers.entries import accepted, mark, same_name, same_texts, uuid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.backends.directory import Entry, Mark
    from donvi.provider.handler import JSON
    from donvi.provider.services import Services

LONGEST_NAME = 200
LARGEST_QUOTA_MB = 1_000_000
FUNCTIONAL = "functional"
KINDS = frozenset({"personal", FUNCTIONAL, "probe"})


class MailboxInputs(Inputs, frozen=True, kw_only=True):
    """A mailbox: a person's or probe's own, or a functional one that its readers share."""

    dn: str
    address: str
    kind: str
    display_name: str = ""
    owner_dn: str = ""
    readers: tuple[str, ...] = ()
    quota_mb: int


@handler("donvi:mail:Mailbox", inputs=MailboxInputs, replace_on={"dn", "address", "kind"}, stable={"entryUuid"})
class MailboxHandler(Handler[MailboxInputs]):
    """Keeps a mailbox; one that is given up receives nothing and keeps its mail."""

    def check(self, new: MailboxInputs) -> Iterator[Failure]:
        """Refuse addresses and texts that aren't legal, a quota of nothing, readers and owners where none can be."""
        yield from checks.mark(new)
        yield from checks.distinguished_name("dn", new.dn, "mail", new.address)
        yield from checks.address("address", new.address)
        yield from checks.text("displayName", new.display_name, LONGEST_NAME, required=False)
        if new.kind not in KINDS:
            yield Failure("kind", f"{new.kind!r} isn't a kind of mailbox; give personal, functional or probe")
        if not 0 < new.quota_mb <= LARGEST_QUOTA_MB:
            yield Failure(
                "quotaMb", f"{new.quota_mb} MB is no quota; give 1 to {LARGEST_QUOTA_MB}, or leave the box out"
            )
        yield from self._check_people(new)

    @staticmethod
    def _check_people(new: MailboxInputs) -> Iterator[Failure]:
        if new.kind == FUNCTIONAL and new.owner_dn:
            yield Failure("ownerDn", "nobody logs into a functional mailbox; name its people under readers")
        if new.kind != FUNCTIONAL:
            if new.readers:
                yield Failure("readers", "only a functional mailbox has readers; use the kind functional")
            yield from checks.reference("ownerDn", new.owner_dn)
        for reader in new.readers:
            yield from checks.address("readers", reader)
        if len(set(new.readers)) != len(new.readers):
            yield Failure("readers", "a reader is named twice; name each address once")

    def same(self, name: str, old: JSON, new: JSON) -> bool:
        """Readers are a set."""
        if name == "readers" and isinstance(old, list) and isinstance(new, list):
            return sorted(map(str, old)) == sorted(map(str, new))
        return old == new

    def create(self, services: Services, new: MailboxInputs) -> Result:
        """Make the mailbox, or bring it back with its mail."""
        return self._ensure(services, new, None)

    def update(self, services: Services, id: str, old: MailboxInputs, new: MailboxInputs) -> Result:
        """Bring the mailbox and its readers to what is declared."""
        return self._ensure(services, new, accepted(old, new))

    def _ensure(self, services: Services, new: MailboxInputs, marks: set[Mark] | None) -> Result:
        spec = MailboxSpec(
            dn=new.dn,
            address=new.address,
            kind=new.kind,
            display_name=new.display_name,
            owner_dn=new.owner_dn,
            readers=new.readers,
            quota_mb=new.quota_mb,
            mark=mark(new),
        )
        outputs = uuid(ensure_mailbox(services.directory_write, spec, marks))
        if new.kind == FUNCTIONAL:
            try:
                ensure_readers(services.doveadm, new.address, new.readers)
            except DonviError as error:
                raise PartialError(
                    f"mailbox {new.address} was made but its readers can't open it yet: {error.message}",
                    identifier=new.dn,
                    outputs=dict(outputs),
                    hint=f"{error.hint}; then run `pulumi up` again, it finishes what is missing",
                ) from error
        return Result(new.dn, outputs)

    def read(self, services: Services, id: str, known: MailboxInputs | None) -> Found | None:
        """Look at the mailbox and at who really reads it; one that is retained counts as gone."""
        entry = services.directory_read.get(known.dn if known else id)
        if entry is None or "donviMailbox" not in entry.all("objectClass") or entry.one("donviMailState") != ACTIVE:
            return None
        unit, key = mark_of(entry)
        real = MailboxInputs(
            unit=unit,
            key=key,
            dn=same_name(known.dn if known else "", entry.dn),
            address=entry.one("mail"),
            kind=entry.one("donviMailKind"),
            display_name=entry.one("displayName"),
            owner_dn=same_name(known.owner_dn if known else "", entry.one("donviMailOwner")),
            readers=_readers(services, entry, known),
            quota_mb=int(entry.one("donviMailQuota") or 0),
        )
        return Found(real.dn, real, uuid(entry))

    def delete(self, services: Services, id: str, old: MailboxInputs) -> None:
        """Retire the mailbox; its mail is kept."""
        entry = services.directory_write.get(old.dn)
        if old.kind == FUNCTIONAL and entry is not None and _is_ours(entry, old):
            clear_readers(services.doveadm, old.address)
        retire_mailbox(services.directory_write, old.dn, mark(old), services.clock())


def _is_ours(entry: Entry, old: MailboxInputs) -> bool:
    return mark_of(entry) == mark(old) and entry.one("donviMailState") == ACTIVE


def _readers(services: Services, entry: Entry, known: MailboxInputs | None) -> tuple[str, ...]:
    """Return the readers as the entry and the mail server have them; whichever differs from what is known wins."""
    listed = entry.all("donviMailReader")
    declared = known.readers if known else ()
    if entry.one("donviMailKind") != FUNCTIONAL:
        return same_texts(declared, listed)
    try:
        allowed = real_readers(services.doveadm, entry.one("mail"))
    except PermissionDeniedError:
        # a preview's token may not ask the mail server; the entry says what was granted
        return same_texts(declared, listed)
    wrong = [found for found in (allowed, listed) if known is None or sorted(found) != sorted(declared)]
    return same_texts(declared, wrong[0] if wrong else listed)


class AliasInputs(Inputs, frozen=True, kw_only=True):
    """An address that delivers to another."""

    dn: str
    address: str
    target: str


@handler("donvi:mail:Alias", inputs=AliasInputs, replace_on={"dn", "address"}, stable={"entryUuid"})
class AliasHandler(Handler[AliasInputs]):
    """Keeps an alias."""

    def check(self, new: AliasInputs) -> Iterator[Failure]:
        """Refuse addresses that aren't legal, and an alias that delivers to itself."""
        yield from checks.mark(new)
        yield from checks.distinguished_name("dn", new.dn, "mail", new.address)
        yield from checks.address("address", new.address)
        yield from checks.address("target", new.target)
        if new.target == new.address:
            yield Failure("target", f"{new.address} would deliver to itself for ever; name the mailbox it stands for")

    def create(self, services: Services, new: AliasInputs) -> Result:
        """Make the alias, or adopt our own."""
        return self._ensure(services, new, None)

    def update(self, services: Services, id: str, old: AliasInputs, new: AliasInputs) -> Result:
        """Point the alias to its target."""
        return self._ensure(services, new, accepted(old, new))

    def _ensure(self, services: Services, new: AliasInputs, marks: set[Mark] | None) -> Result:
        spec = AliasSpec(dn=new.dn, address=new.address, target=new.target, mark=mark(new))
        return Result(new.dn, uuid(ensure_alias(services.directory_write, spec, marks)))

    def read(self, services: Services, id: str, known: AliasInputs | None) -> Found | None:
        """Look at the alias."""
        entry = services.directory_read.get(known.dn if known else id)
        if entry is None or "donviMailAlias" not in entry.all("objectClass"):
            return None
        unit, key = mark_of(entry)
        dn = same_name(known.dn if known else "", entry.dn)
        real = AliasInputs(unit=unit, key=key, dn=dn, address=entry.one("mail"), target=entry.one("donviMailTarget"))
        return Found(dn, real, uuid(entry))

    def delete(self, services: Services, id: str, old: AliasInputs) -> None:
        """Delete the alias."""
        remove_alias(services.directory_write, old.dn, mark(old))
