"""The unit's names: the authoritative server knows every record, and the unit's own machines resolve it."""

import pytest

from donvi.verify.ask import InconclusiveError
from donvi.verify.ask.names import wanted

pytestmark = pytest.mark.about("network", "dns")


def test_the_authoritative_server_knows_the_record(answers, record):
    found = answers["names"][record.id]
    assert found.authoritative, f"the server doesn't answer for {record.name} with authority ({found.status})"
    assert found.values == wanted(record), f"{record.id} is {found.values or found.status}, should be {wanted(record)}"
    assert found.ttl == record.ttl, f"{record.id} lives {found.ttl} s, should live {record.ttl} s"


def test_the_gateway_of_the_unit_resolves_the_record(answers, gateway, record):
    found = answers[gateway].names[record.id]
    if isinstance(found, str):
        raise InconclusiveError(f"the resolver of the unit's gateway doesn't answer itself: {found}")
    assert found.values == wanted(record), f"{record.id} is {found.values or found.status}, should be {wanted(record)}"


def test_the_workstation_resolves_the_record_by_its_gateway(answers, resolved):
    machine, record = resolved
    found = answers[machine.id].names[record.id]
    if isinstance(found, str):
        raise InconclusiveError(f"the resolver of {machine.id} doesn't answer: {found}")
    assert found.values == wanted(record), f"{record.id} is {found.values or found.status}, should be {wanted(record)}"
