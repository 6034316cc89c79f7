"""``donvi account first-password PERSON``: take out a first password, once, for handing it over."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from donvi.cli.output import Json, console, print_json
from donvi.errors import BackendError, ConflictError, PermissionDeniedError, UsageError
from donvi.registry import load_city
from donvi.registry.lookup import closest
from donvi.tenancy import names

if TYPE_CHECKING:
    from donvi.backends.directory import Directory
    from donvi.backends.vault import VaultClient
    from donvi.registry import City, Person

EPILOG = """
Needs a token of the role administrator: `eval "$(uv run donvi lab env --role administrator)"`.

Examples:

`donvi account first-password cb-265001` · by employee id; works once, within 72 hours of `pulumi up`

`donvi account first-password an.nguyen-van@vung-tau.tphcm.test` · by address

`donvi account first-password cb-265001 --renew` · makes a new one, when it got lost or the person forgot theirs
"""

ADMINISTRATOR = 'take a token of the role administrator: `eval "$(uv run donvi lab env --role administrator)"`'


class FirstPassword(msgspec.Struct, frozen=True):
    """What is handed over to a person."""

    person: str  # employee id
    name: str
    unit: str  # code
    login: str
    password: str


def first_password(
    query: Annotated[str, typer.Argument(metavar="PERSON", help="Employee id, or address.")],
    renew: Annotated[bool, typer.Option("--renew", help="Make a new first password; the present one ends.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002  # typer's way of declaring a flag
) -> None:
    """Take out a person's first password and print it; it must be changed at the first login."""
    from donvi.backends.vault import VaultClient  # the command line itself needs none of it

    city = load_city()
    code, person = find_person(city, query)
    vault = VaultClient.from_env(os.environ)
    if renew:
        _renew(city, code, person, vault)
    handed = FirstPassword(person.employee_id, person.name, code, person.employee_id, _take(vault, person))
    if as_json:
        print_json(handed)
        return
    out = console()
    out.print(f"{person.name}, {city.units[code].name}")
    out.print(f"login:          {handed.login}")
    out.print(f"first password: {handed.password}")
    out.print("It was shown this once and must be changed at the first login.")


def find_person(city: City, query: str) -> tuple[str, Person]:
    """Return the unit's code and the person with this employee id or address.

    :raises UsageError: nobody has it; the hint names who comes close.
    """
    known: dict[str, tuple[str, Person]] = {}
    for code, people in city.people.items():
        domain = names.unit_domain(city, city.allotments[code])
        for person in people:
            known[person.employee_id] = known[f"{person.login}@{domain}"] = (code, person)
    try:
        return known[query.strip().lower()]
    except KeyError:
        near = closest(query, known)
        hint = f"did you mean {near[0]}, {known[near[0]][1].name}?" if near else "see the rosters in city/people/"
        raise UsageError(f"no roster has the employee id or address {query!r}", hint=hint) from None


def _take(vault: VaultClient, person: Person) -> str:
    path = names.person_credential(person.employee_id)
    try:
        deposit = vault.kv_read(path)
    except PermissionDeniedError as error:
        raise PermissionDeniedError(
            f"this Vault token may not take out first passwords: {error.message}", hint=ADMINISTRATOR
        ) from None
    if deposit is None:
        raise UsageError(
            f"no first password waits for {person.employee_id}, {person.name}",
            hint="the account must exist: run `pulumi up` of the unit's stack; or make a new one with --renew",
        )
    try:
        content = vault.unwrap(str(deposit["wrapping_token"]))
    except PermissionDeniedError as error:
        raise PermissionDeniedError(
            f"this Vault token may not unwrap first passwords: {error.message}", hint=ADMINISTRATOR
        ) from None
    except BackendError as error:
        raise BackendError(
            f"the first password of {person.employee_id}, {person.name}, can't be taken out: {error.message}",
            hint="if nobody who may has taken it, somebody else has: make a new one with --renew",
        ) from None
    if content.get("account") != person.employee_id:
        raise BackendError(
            f"what waits for {person.employee_id} is the password of {content.get('account')!r}",
            hint="find out who wrote kv/first-passwords, then make a new one with --renew",
        )
    return str(content["password"])


def _renew(city: City, code: str, person: Person, vault: VaultClient) -> None:
    from donvi.backends.directory import issue, mark_of

    directory = _directory(vault)
    dn = names.account_dn(city, code, "person", person.employee_id)
    entry = directory.get(dn)
    if entry is None:
        raise UsageError(
            f"{person.employee_id}, {person.name}, has no account: {dn} doesn't exist",
            hint=f"run `pulumi up` of the stack of unit {code} first",
        )
    if mark_of(entry).unit != code:
        raise ConflictError(f"{dn} isn't unit {code}'s", hint="look at its donviUnit; nothing was changed")
    issue(directory, vault, entry, names.person_credential(person.employee_id), person=True)
    directory.close()


def _directory(vault: VaultClient) -> Directory:
    from donvi.backends.directory import Directory
    from donvi.deployment import parse, text_from_environment

    place = parse(text_from_environment(os.environ)).directory
    try:
        secret = vault.kv_read("backends/directory/write")
    except PermissionDeniedError as error:
        raise PermissionDeniedError(f"this Vault token may not renew: {error.message}", hint=ADMINISTRATOR) from None
    if secret is None:
        raise UsageError("Vault holds nothing at kv/backends/directory/write", hint="run `make up`")
    return Directory(place.url, str(secret["bind_dn"]), str(secret["password"]), vault.ca_file)
