"""What can be made of a unit in a lab that doesn't have all its machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from donvi.tenancy import describe
from donvi.tenancy.machines import ROUTER, unit_machines
from donvi.tenancy.presence import presence

if TYPE_CHECKING:
    from donvi.registry import City

UNIT = "26506"
GATEWAY, WORKSTATION = f"gw-{UNIT}", f"ws-{UNIT}"


def test_a_unit_with_all_its_machines_gets_everything(city: City) -> None:
    tenancy = describe(city, UNIT)
    here = presence(tenancy, {ROUTER, GATEWAY, WORKSTATION, "gw-26740"})
    assert here.certificates == tenancy.certificates
    assert here.machines == unit_machines(tenancy)
    assert (here.absent, here.endpoints) == ((), "present")


def test_without_machines_only_what_needs_one_of_them_is_left_out(city: City) -> None:
    here = presence(describe(city, UNIT), {ROUTER, "dc", "gw-26740", "ws-26740"})
    assert here.certificates == (), "their keys are made on the unit's own machines"
    assert [made.machine for made in here.machines] == [ROUTER], "its part of the router stands there all the same"
    assert (here.absent, here.endpoints) == ((GATEWAY, WORKSTATION), "not in this lab")


def test_a_machine_that_is_missing_is_named(city: City) -> None:
    here = presence(describe(city, UNIT), {ROUTER, GATEWAY})
    assert {certificate.machine for certificate in here.certificates} == {GATEWAY}
    assert [made.machine for made in here.machines] == [ROUTER, GATEWAY]
    assert here.endpoints == f"not in this lab: {WORKSTATION}"


@pytest.mark.parametrize("code", ["25747", "26732", "27676"])
def test_every_certificate_and_machine_is_there_or_missing_for_a_reason(city: City, code: str) -> None:
    tenancy = describe(city, code)
    ends = {endpoint.id for endpoint in tenancy.endpoints}
    assert {certificate.machine for certificate in tenancy.certificates} <= ends
    assert {made.machine for made in unit_machines(tenancy)} == {ROUTER, *ends}
