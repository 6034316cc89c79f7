"""The city's real servers, and a unit of the test's own on them that is gone afterwards.

Where the servers are comes from the environment that ``donvi lab env`` prints, or from this host's lab itself.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from donvi.backends.directory import ContainerSpec, Directory, Mark, credential_path, ensure_container, names
from donvi.deployment import parse, text_from_environment
from donvi.errors import BackendError, ConflictError, DonviError
from donvi.provider.services import Services
from tests.support.fixtures import own_directory, own_dns, own_machine, own_people, own_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["own_directory", "own_dns", "own_machine", "own_people", "own_vault"]

REMEDY = 'bring the lab up (`make lab-up`), or run `eval "$(uv run donvi lab env)"` in this shell'
BRANCHES = ("people", "probes", "groups", "mail")


def role_environment(role: str) -> dict[str, str]:
    """Return what ``donvi lab env --role ROLE`` prints."""
    from lab.environment import variables
    from lab.settings import LabSettings

    return variables(LabSettings.from_environment(), role)


@pytest.fixture(scope="session")
def environment() -> Mapping[str, str]:
    """The variables that lead to the servers, with a token of the role apply."""
    if os.environ.get("DONVI_DEPLOYMENT") and os.environ.get("VAULT_TOKEN"):
        return os.environ
    try:
        return role_environment("apply")
    except DonviError as error:
        pytest.fail(f"the city's servers aren't there: {error}; {REMEDY}", pytrace=False)


@pytest.fixture(scope="session")
def services(environment: Mapping[str, str]) -> Iterator[Services]:
    """Clients of the real servers, as a run with the role apply has them."""
    made = Services(parse(text_from_environment(environment)), environment)
    yield made
    made.close()


@pytest.fixture
def services_of(environment: Mapping[str, str]) -> Iterator[Callable[[str], Services]]:
    """Clients of the real servers as another operator role has them, e.g. ``preview``."""
    opened: list[Services] = []

    def make(role: str) -> Services:
        opened.append(Services(parse(text_from_environment(environment)), role_environment(role)))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def directory(services: Services) -> Directory:
    return services.directory_write


@pytest.fixture(scope="session")
def base(services: Services) -> str:
    """The city's base in the directory."""
    return ",".join(f"dc={label}" for label in services.deployment.city_domain.split("."))


class Unit:
    """A unit that exists for one test: a code that no real unit has unless one is given, with its subtree."""

    def __init__(self, services: Services, base: str, code: str = "") -> None:
        self.vault = services.vault
        self.directory = services.directory_write
        self.base = base
        self.code = code or f"9{secrets.randbelow(10_000):04}"
        self.dn = f"ou={self.code},ou=units,{base}"
        self.numbers = 1_900_000_000 + secrets.randbelow(90_000) * 1000

    @property
    def domain(self) -> str:
        """The unit's mail domain: mail is accepted for it as for any other below the city's."""
        return f"thu-{self.code}.{'.'.join(self.base.replace('dc=', '').split(','))}"

    def branch(self, name: str) -> str:
        return f"ou={name},{self.dn}"

    def make(self) -> None:
        for dn in (self.dn, *map(self.branch, BRANCHES)):
            mark = Mark(self.code, f"ou/{dn.split(',', maxsplit=1)[0]}")
            ensure_container(self.directory, ContainerSpec(dn=dn, description="Đơn vị thử nghiệm", mark=mark))

    def remove(self) -> None:
        """Delete all that carries the unit's mark, also what retention kept."""
        found = self.directory.search(self.base, names.equals("donviUnit", self.code))
        found += self.directory.search(self.dn, "(objectClass=*)")
        for entry in sorted(found, key=lambda entry: -len(names.parse(entry.dn))):
            with suppress(ConflictError):
                self.directory.delete(entry.dn)
        for uid in {entry.one("uid") for entry in found} - {""}:
            self.vault.kv_delete(credential_path(self.code, uid, person=True))
            self.vault.kv_delete(credential_path(self.code, uid, person=False))


@pytest.fixture
def new_unit(services: Services, base: str) -> Iterator[Callable[..., Unit]]:
    """Make units; they are removed after the test."""
    made: list[Unit] = []

    def make(code: str = "") -> Unit:
        made.append(Unit(services, base, code))
        made[-1].make()
        return made[-1]

    yield make
    for unit in made:
        with suppress(BackendError):
            unit.remove()


@pytest.fixture
def unit(new_unit: Callable[..., Unit]) -> Unit:
    return new_unit()
