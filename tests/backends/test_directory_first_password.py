"""``donvi account first-password`` as whoever may runs it, with the real directory and Vault."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from donvi.backends.directory import Directory, credential_path, names
from donvi.errors import PermissionDeniedError
from donvi.provider.handler import Registry
from donvi.provider.handlers.directory import AccountInputs
from donvi.registry import load_city
from tests.backends.conftest import role_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from donvi.provider.services import Services
    from tests.backends.conftest import Unit

REPOSITORY = Path(__file__).parents[2]
accounts = Registry().find("donvi:directory:Account")


class Employee:
    """Somebody on the roster of a unit that has no roster in the real city, in a copy of the city."""

    def __init__(self, services: Services, unit: Unit, city: Path) -> None:
        self.id = f"thu-{secrets.token_hex(4)}"
        self.city = city
        header = "employee_id,name,post,login,number,active"
        row = f"{self.id},Nguyễn Văn Thử,clerk,thu.nguyen-van,1,yes"
        (city / "people" / f"{unit.code}.csv").write_text(f"{header}\n{row}\n", encoding="utf-8")
        self.inputs = AccountInputs(
            unit=unit.code,
            key=f"account/{self.id}",
            dn=names.child("uid", self.id, unit.branch("people")),
            uid=self.id,
            kind="person",
            common_name="Nguyễn Văn Thử",
            surname="Nguyễn",
            uid_number=unit.numbers + 1,
            credential=credential_path(unit.code, self.id, person=True),
        )
        accounts.create(services, self.inputs)


@pytest.fixture
def employee(services: Services, new_unit: Callable[..., Unit], tmp_path: Path) -> Employee:
    shutil.copytree(REPOSITORY / "city", tmp_path / "city")
    city = load_city(tmp_path / "city")
    code = secrets.choice([code for code in city.units if code not in city.people])
    return Employee(services, new_unit(code), tmp_path / "city")


def first_password(
    employee: Employee, *arguments: str, role: str = "administrator"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "donvi.cli.main", "account", "first-password", *arguments]
    environment: Mapping[str, str] = {**os.environ, **role_environment(role), "DONVI_CITY": str(employee.city)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)


def opens(services: Services, dn: str, password: str) -> bool:
    try:
        with Directory(services.deployment.directory.url, dn, password, services.ca_file) as own:
            own.check_login()
    except PermissionDeniedError:
        return False
    return True


def test_whoever_may_takes_the_password_out_once(services: Services, employee: Employee) -> None:
    done = first_password(employee, employee.id, "--json")
    assert done.returncode == 0, done.stderr
    handed = json.loads(done.stdout)
    assert (handed["person"], handed["name"]) == (employee.id, "Nguyễn Văn Thử")
    assert opens(services, employee.inputs.dn, handed["password"])
    again = first_password(employee, employee.id)
    assert again.returncode == 1
    assert "--renew" in again.stderr
    assert handed["password"] not in again.stdout + again.stderr


def test_a_lost_password_is_renewed_and_the_old_one_ends(services: Services, employee: Employee) -> None:
    old = json.loads(first_password(employee, employee.id, "--json").stdout)["password"]
    done = first_password(employee, employee.id, "--renew")
    assert done.returncode == 0, done.stderr
    new = next(line.split()[-1] for line in done.stdout.splitlines() if line.startswith("first password:"))
    assert opens(services, employee.inputs.dn, new)
    assert not opens(services, employee.inputs.dn, old)


def test_the_role_that_runs_pulumi_may_not_see_it(employee: Employee) -> None:
    done = first_password(employee, employee.id, role="apply")
    assert done.returncode == 1
    assert "--role administrator" in done.stderr


def test_somebody_unknown_is_told_whom_it_could_mean(employee: Employee) -> None:
    done = first_password(employee, employee.id + "x")
    assert done.returncode == 2
    assert f"did you mean {employee.id}" in done.stderr


def test_somebody_without_an_account_is_told_to_run_the_stack(services: Services, employee: Employee) -> None:
    accounts.delete(services, employee.inputs.dn, employee.inputs)
    for arguments in ([employee.id], [employee.id, "--renew"]):
        done = first_password(employee, *arguments)
        assert done.returncode == 2
        assert "pulumi up" in done.stderr
