"""Directory resources: organizational units, accounts, groups. The id of each is its distinguished name.

An account whose name changes is moved, not replaced, so that it keeps its identity and password. The engine can't
change an id in an update; reads and deletes therefore go by the declared name, and a refresh corrects the id.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from donvi.backends.directory import (
    AccountSpec,
    ContainerSpec,
    GroupSpec,
    credential_path,
    ensure_account,
    ensure_container,
    ensure_credential,
    ensure_group,
    mark_of,
    names,
    opened,
    remove_account,
    remove_container,
    remove_group,
    retire_account,
)
from donvi.errors import DonviError, PartialError
from donvi.provider.handler import Failure, Found, Handler, Inputs, Result, handler
from donvi.provider.handlers import checks
from donvi.provider.handlers.entries import accepted, mark, same_name, uuid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from donvi.backends.directory import Entry, Mark
    from donvi.provider.handler import JSON
    from donvi.provider.services import Services

LONGEST_NAME = 200
LONGEST_TEXT = 500
LARGEST_ID = 2**31 - 2
_UID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class OrganizationalUnitInputs(Inputs, frozen=True, kw_only=True):
    """A branch of the directory."""

    dn: str
    description: str = ""


@handler("donvi:directory:OrganizationalUnit", inputs=OrganizationalUnitInputs, replace_on={"dn"}, stable={"entryUuid"})
class OrganizationalUnitHandler(Handler[OrganizationalUnitInputs]):
    """Keeps a branch; removing one that holds entries nobody declared is refused."""

    def check(self, new: OrganizationalUnitInputs) -> Iterator[Failure]:
        """Refuse names and texts that aren't legal."""
        yield from checks.mark(new)
        yield from checks.distinguished_name("dn", new.dn, "ou")
        yield from checks.text("description", new.description, LONGEST_TEXT, required=False)

    def create(self, services: Services, new: OrganizationalUnitInputs) -> Result:
        """Make the branch, or adopt our own."""
        return self._ensure(services, new, None)

    def update(
        self,
        services: Services,
        id: str,
        old: OrganizationalUnitInputs,
        new: OrganizationalUnitInputs,
    ) -> Result:
        """Bring the description to what is declared."""
        return self._ensure(services, new, accepted(old, new))

    def _ensure(self, services: Services, new: OrganizationalUnitInputs, marks: set[Mark] | None) -> Result:
        spec = ContainerSpec(dn=new.dn, description=new.description, mark=mark(new))
        return Result(new.dn, uuid(ensure_container(services.directory_write, spec, marks)))

    def read(self, services: Services, id: str, known: OrganizationalUnitInputs | None) -> Found | None:
        """Look at the branch."""
        entry = services.directory_read.get(known.dn if known else id)
        if entry is None or "organizationalUnit" not in entry.all("objectClass"):
            return None
        unit, key = mark_of(entry)
        dn = same_name(known.dn if known else "", entry.dn)
        real = OrganizationalUnitInputs(unit=unit, key=key, dn=dn, description=entry.one("description"))
        return Found(dn, real, uuid(entry))

    def delete(self, services: Services, id: str, old: OrganizationalUnitInputs) -> None:
        """Remove the branch."""
        remove_container(services.directory_write, old.dn, mark(old))


class AccountInputs(Inputs, frozen=True, kw_only=True):
    """An account of a person or a probe; ``credential`` is a KV path, never a password."""

    dn: str
    uid: str
    kind: str
    common_name: str
    given_name: str = ""
    surname: str
    title: str = ""
    mail: str = ""
    uid_number: int
    credential: str


@handler(
    "donvi:directory:Account",
    inputs=AccountInputs,
    replace_on={"uid", "kind", "credential"},
    stable={"entryUuid"},
)
class AccountHandler(Handler[AccountInputs]):
    """Keeps an account and sees to it that it can be opened; a person's is retained when it is given up."""

    def check(self, new: AccountInputs) -> Iterable[Failure]:
        """Refuse names, numbers and addresses that aren't legal."""
        yield from checks.mark(new)
        yield from checks.distinguished_name("dn", new.dn, "uid", new.uid)
        if not _UID.fullmatch(new.uid):
            yield Failure("uid", f"{new.uid!r} isn't an account's id; use a-z, 0-9, dot, dash, underscore, at most 64")
        if new.kind not in {"person", "probe"}:
            yield Failure("kind", f"{new.kind!r} isn't a kind of account; give person or probe")
        yield from checks.text("commonName", new.common_name, LONGEST_NAME)
        yield from checks.text("surname", new.surname, LONGEST_NAME)
        yield from checks.text("givenName", new.given_name, LONGEST_NAME, required=False)
        yield from checks.text("title", new.title, LONGEST_NAME, required=False)
        if new.mail:
            yield from checks.address("mail", new.mail)
        if not 0 < new.uid_number <= LARGEST_ID:
            yield Failure("uidNumber", f"{new.uid_number} isn't a user number; take one from the unit's ledger range")
        yield from self._check_credential(new)

    @staticmethod
    def _check_credential(new: AccountInputs) -> Iterator[Failure]:
        wanted = credential_path(new.unit, new.uid, person=new.kind == "person")
        if new.credential != wanted:
            yield Failure("credential", f"{new.credential!r} isn't this account's place in Vault; write {wanted}")

    def create(self, services: Services, new: AccountInputs) -> Result:
        """Make the account, or bring it back, and issue what opens it."""
        return self._ensure(services, new, None)

    def update(self, services: Services, id: str, old: AccountInputs, new: AccountInputs) -> Result:
        """Bring the account to what is declared, and issue what opens it if that is missing."""
        return self._ensure(services, new, accepted(old, new))

    def _ensure(self, services: Services, new: AccountInputs, marks: set[Mark] | None) -> Result:
        directory, person = services.directory_write, new.kind == "person"
        entry = ensure_account(directory, _account_spec(new), marks)
        outputs: dict[str, JSON] = {**uuid(entry), "credentialIssued": True}
        try:
            ensure_credential(directory, services.vault, entry, new.credential, person=person)
        except DonviError as error:
            raise PartialError(
                f"account {new.dn} was made but can't be opened yet: {error.message}",
                identifier=new.dn,
                outputs={**outputs, "credentialIssued": False},
                hint=f"{error.hint}; then run `pulumi up` again, it finishes what is missing",
            ) from error
        return Result(new.dn, outputs)

    def read(self, services: Services, id: str, known: AccountInputs | None) -> Found | None:
        """Look at the account; one below ``ou=retained`` counts as gone."""
        entry = services.directory_read.get(known.dn if known else id)
        if entry is None or "posixAccount" not in entry.all("objectClass"):
            return None
        if names.same(entry.dn, names.retained(entry.dn)):
            return None
        real = _account_inputs(entry, known)
        outputs: dict[str, JSON] = {**uuid(entry), "credentialIssued": opened(entry, person=real.kind == "person")}
        return Found(real.dn, real, outputs)

    def delete(self, services: Services, id: str, old: AccountInputs) -> None:
        """Retire a person's account, delete a probe's, and remove what would open it."""
        if old.kind == "person":
            retire_account(services.directory_write, old.dn, mark(old), services.clock())
        else:
            remove_account(services.directory_write, old.dn, mark(old))
        services.vault.kv_delete(old.credential)


def _account_spec(new: AccountInputs) -> AccountSpec:
    return AccountSpec(
        dn=new.dn,
        uid=new.uid,
        person=new.kind == "person",
        common_name=new.common_name,
        given_name=new.given_name,
        surname=new.surname,
        title=new.title,
        mail=new.mail,
        uid_number=new.uid_number,
        mark=mark(new),
    )


def _account_inputs(entry: Entry, known: AccountInputs | None) -> AccountInputs:
    unit, key = mark_of(entry)
    uid = entry.one("uid")
    branch = names.relative(names.parent(entry.dn)).value
    kind = "probe" if branch == "probes" else "person"
    return AccountInputs(
        unit=unit,
        key=key,
        dn=same_name(known.dn if known else "", entry.dn),
        uid=uid,
        kind=known.kind if known else kind,
        common_name=entry.one("cn"),
        given_name=entry.one("givenName"),
        surname=entry.one("sn"),
        title=entry.one("title"),
        mail=entry.one("mail"),
        uid_number=int(entry.one("uidNumber") or 0),
        credential=known.credential if known else credential_path(unit, uid, person=kind == "person"),
    )


class GroupInputs(Inputs, frozen=True, kw_only=True):
    """A group and the names of all its members."""

    dn: str
    description: str = ""
    members: tuple[str, ...] = ()


@handler("donvi:directory:Group", inputs=GroupInputs, replace_on={"dn"}, stable={"entryUuid"})
class GroupHandler(Handler[GroupInputs]):
    """Keeps a group with exactly the declared members."""

    def check(self, new: GroupInputs) -> Iterator[Failure]:
        """Refuse names that aren't legal, and a member named twice."""
        yield from checks.mark(new)
        yield from checks.distinguished_name("dn", new.dn, "cn")
        yield from checks.text("description", new.description, LONGEST_TEXT, required=False)
        wrong = [failure for member in new.members for failure in checks.reference("members", member)]
        yield from wrong
        if not wrong and len(set(map(names.normal, new.members))) != len(new.members):
            yield Failure("members", "a member is named twice; name each account once")

    def same(self, name: str, old: JSON, new: JSON) -> bool:
        """Members are a set of names, whatever their spelling and order."""
        if name == "members" and isinstance(old, list) and isinstance(new, list):
            return sorted(names.normal(str(one)) for one in old) == sorted(names.normal(str(one)) for one in new)
        return old == new

    def create(self, services: Services, new: GroupInputs) -> Result:
        """Make the group, or adopt our own."""
        return self._ensure(services, new, None)

    def update(self, services: Services, id: str, old: GroupInputs, new: GroupInputs) -> Result:
        """Bring the members to exactly those declared."""
        return self._ensure(services, new, accepted(old, new))

    def _ensure(self, services: Services, new: GroupInputs, marks: set[Mark] | None) -> Result:
        spec = GroupSpec(dn=new.dn, description=new.description, members=new.members, mark=mark(new))
        return Result(new.dn, uuid(ensure_group(services.directory_write, spec, marks)))

    def read(self, services: Services, id: str, known: GroupInputs | None) -> Found | None:
        """Look at the group; members are spelled and ordered as declared where they are the same."""
        entry = services.directory_read.get(known.dn if known else id)
        if entry is None or "donviGroup" not in entry.all("objectClass"):
            return None
        unit, key = mark_of(entry)
        dn = same_name(known.dn if known else "", entry.dn)
        real = GroupInputs(
            unit=unit,
            key=key,
            dn=dn,
            description=entry.one("description"),
            members=_members(entry.all("member"), known.members if known else ()),
        )
        return Found(dn, real, uuid(entry))

    def delete(self, services: Services, id: str, old: GroupInputs) -> None:
        """Delete the group."""
        remove_group(services.directory_write, old.dn, mark(old))


def _members(real: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    declared = {names.normal(member): member for member in known}
    found = {names.normal(member): member for member in real}
    if found.keys() == declared.keys():
        return known
    return tuple(sorted(declared.get(key, member) for key, member in found.items()))
